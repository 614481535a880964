"""What a callee of the sandbox said to a delivery."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 0: it could not be reached. `retry_after` in seconds."""

    status: int
    retry_after: float = 0.0

    @property
    def taken(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300
