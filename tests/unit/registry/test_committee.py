"""What a committee still needs."""

from datetime import UTC, datetime

from services.registry.app import load_presets
from services.registry.domain.committee import Committee
from services.registry.domain.names import Name
from services.registry.domain.records import Gender, Post, Seat
from services.registry.domain.states import State
from shared import ids

PRESET = load_presets()["in-mp-2014"]
POSTS = [Post(post.level, post.code, post.name, post.seats) for post in PRESET.posts if post.level == "booth"]


def seat(post: str, ordinal: int = 1, state: State = State.VERIFIED, gender: Gender | None = None) -> Seat:
    return Seat(post, ordinal, ids.new_id(), state, datetime(2026, 1, 1, tzinfo=UTC), gender, Name(None, "A"))


def test_a_booth_has_twelve_seats_over_eight_posts_and_needs_three_women() -> None:
    committee = Committee(POSTS, [], 3)
    assert (committee.seats, len(POSTS), committee.women_missing) == (12, 8, 3)
    assert sum(committee.vacant.values()) == 12


def test_only_confirmed_women_count() -> None:
    held = [seat("president", gender="female"), seat("secretary", state=State.RECORDED, gender="female"), seat("mkb")]
    committee = Committee(POSTS, held, 3)
    assert (committee.women, committee.women_missing, committee.verified) == (1, 2, 2)
    assert "president" not in committee.vacant
    assert committee.vacant["member"] == 5


def test_complete_means_every_seat_confirmed_and_every_rule_met() -> None:
    def all_seats(women: int) -> list[Seat]:
        ordinals = [(post.code, n) for post in POSTS for n in range(1, post.seats + 1)]
        return [seat(code, n, gender="female" if i < women else "male") for i, (code, n) in enumerate(ordinals)]

    assert Committee(POSTS, all_seats(3), 3).complete
    assert not Committee(POSTS, all_seats(2), 3).complete
    assert not Committee(POSTS, all_seats(3)[:-1], 3).complete
    assert Committee(POSTS, all_seats(0), None).complete
