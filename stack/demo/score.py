"""What the demo expects and what came of it; no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stack.demo.cast import Behaviour, Seat


@dataclass
class Line:
    """One appointment of the demo: `seconds` from the recorder's call to the registry's final state."""

    behaviour: Behaviour
    seat: Seat
    appointment: str = ""
    state: str = "not recorded"
    seconds: float | None = None
    ended: float | None = None
    """When, on the monotonic clock."""
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether it ended as it must."""
        return self.state == self.behaviour.ends and not self.problem


@dataclass
class Score:
    """All appointments, and whatever else went wrong."""

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every expectation is met."""
        return not self.problems and all(line.good for line in self.lines)

    def count(self, *states: str) -> int:
        """Appointments in one of these states."""
        return sum(line.state in states for line in self.lines)

    @property
    def first(self) -> float | None:
        """When the first appointment was verified, on the monotonic clock."""
        return min((line.ended for line in self.lines if line.ended and line.state == "verified"), default=None)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Behaviour, how many ended as they must of how many, the state that is, the median of seconds."""
        found = []
        for behaviour in Behaviour:
            lines = [line for line in self.lines if line.behaviour is behaviour]
            if lines:
                good = sum(line.good for line in lines)
                found.append((behaviour.value, f"{good} of {len(lines)}", behaviour.ends, _median(lines)))
        return found

    def failures(self) -> list[str]:
        """A sentence for each expectation that is not met."""
        sentences = [
            f"{line.seat.unit} {line.seat.post} ({line.behaviour.value}): {line.state}, must be {line.behaviour.ends}"
            + (f"; {line.problem}" if line.problem else "")
            + (f" [{line.appointment}]" if line.appointment else "")
            for line in self.lines
            if not line.good
        ]
        return sentences + self.problems


def _median(lines: Iterable[Line]) -> str:
    times = sorted(line.seconds for line in lines if line.seconds is not None)
    return f"{times[len(times) // 2]:.1f} s" if times else "-"
