"""What to do after a handler failed: a pure rule over the failure and what was tried already."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from shared.bus.watchdog import HandlerStuck
from shared.errors import Failure, Retry, Unavailable

Outages = tuple[type[BaseException], ...]


class Cause(Enum):
    """Why a handler failed."""

    OUTAGE = auto()  # something that every record needs is down: hold the lane, lose nothing
    LATER = auto()  # this record may succeed later: try again within the budget
    NEVER = auto()  # this record fails again: dead letter


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How long a record that may succeed later is tried before it becomes a dead letter. Only its key waits
    meanwhile; records of other keys go on."""

    attempts: int = 5
    seconds: float = 10.0
    """Failed attempts and the pauses after them. Those that the watchdog ended are bounded by `stuck` instead."""
    stuck: int = 2
    """Attempts that did not return: each held one of the lanes for as long as the watchdog waits."""
    first: float = 0.1
    longest: float = 5.0
    """Also the longest pause during an outage: seconds until work goes on after the store is back."""

    def pause(self, attempt: int, jitter: float) -> float:
        """Seconds after the n-th failed attempt (from 1): doubled each time, half of it spread by `jitter` (0 to 1)
        so that replicas do not come back at once."""
        full = min(self.longest, self.first * 2.0 ** min(attempt - 1, 16))
        return full / 2 + full / 2 * jitter


def cause(error: Exception, outages: Outages) -> Cause:
    """An `Unavailable` (and OSError, and what the service lists) says nothing about the record."""
    if isinstance(error, (Unavailable, *outages)):
        return Cause.OUTAGE
    if isinstance(error, ExceptionGroup):
        causes = {cause(inner, outages) for inner in error.exceptions}
        return next(kind for kind in Cause if kind in causes)
    if isinstance(error, Failure) and error.retry is Retry.LATER:
        return Cause.LATER
    return Cause.NEVER


@dataclass(slots=True)
class Tries:
    """What was tried with one record."""

    budget: RetryBudget
    outages: Outages
    jitter: Callable[[], float]
    attempts: int = 0
    """Handler calls."""
    failed: int = 0
    """Those that count against the budget."""
    held: int = 0
    """Those during an outage, in a row."""
    stuck: int = 0
    """Those that the watchdog ended."""
    spent: float = 0.0
    """Seconds that count against the budget."""
    began: float = 0.0
    """Of the current attempt."""

    def begin(self, now: float) -> None:
        """An attempt begins: what it waited for until now (a slot) is not its own time."""
        self.attempts += 1
        self.began = now

    def after(self, error: Exception, took: float = 0.0) -> float | None:
        """Seconds to wait before the next attempt, or None to give the record up. `took`: seconds of the attempt."""
        match cause(error, self.outages):
            case Cause.NEVER:
                return None
            case Cause.OUTAGE:
                self.held += 1
                return self._pause(error, self.held)
        self.held = 0
        self.failed += 1
        if isinstance(error, HandlerStuck):
            self.stuck += 1
            took = 0.0
        pause = self._pause(error, self.failed)
        self.spent += took + pause
        budget = self.budget
        over = self.failed >= budget.attempts or self.stuck >= budget.stuck or self.spent > budget.seconds
        return None if over else pause

    def _pause(self, error: Exception, attempt: int) -> float:
        asked = error.retry_after if isinstance(error, Failure) else None
        return self.budget.pause(attempt, self.jitter()) if asked is None else max(0.0, asked)
