"""What a committee still needs: seats of its posts, and rules such as three women of twelve."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.registry.domain.records import Post, Seat
from services.registry.domain.states import State


@dataclass(frozen=True, slots=True)
class Committee:
    """The seats of a unit against the catalogue and the rules of its level."""

    posts: Sequence[Post]
    held: Sequence[Seat]
    women_minimum: int | None = None

    @property
    def seats(self) -> int:
        """Of all posts: 12 for a booth."""
        return sum(post.seats for post in self.posts)

    @property
    def verified(self) -> int:
        """Seats whose holders confirmed."""
        return sum(seat.state is State.VERIFIED for seat in self.held)

    @property
    def women(self) -> int:
        """Seats held by women who confirmed. Gender is optional: who did not say is not counted."""
        return sum(seat.state is State.VERIFIED and seat.gender == "female" for seat in self.held)

    @property
    def women_missing(self) -> int:
        """How many more women must confirm; 0 where there is no rule."""
        return max(0, (self.women_minimum or 0) - self.women)

    @property
    def vacant(self) -> Mapping[str, int]:
        """Post to seats that nobody holds, without full posts."""
        taken = Counter(seat.post for seat in self.held)
        return {post.code: post.seats - taken[post.code] for post in self.posts if post.seats > taken[post.code]}

    @property
    def complete(self) -> bool:
        """Whether every seat is verified and every rule is met."""
        return self.verified == self.seats and not self.women_missing
