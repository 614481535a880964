"""What /ready says about a consumer."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from shared.bus.assignment import Assignment
from shared.bus.handling import Handling
from shared.bus.watchdog import HandlerUnstoppable
from shared.bus.wire import BusUnavailable
from shared.errors import Failure

OUTAGE_SECONDS = 60.0
"""An outage that lasts longer, with nothing handled meanwhile, means that this consumer does not do its work."""

Problem = Literal[
    "starting", "broker", "dead_letter_limit", "dead_letter_unwritten", "handler_unstoppable", "bus_stalled",
    "outage", "dependency",
]  # fmt: skip


class NotHearing(BusUnavailable):
    """Group {group} hears nothing: {problem}."""


@dataclass(frozen=True, slots=True)
class Health:
    """State of a consumer."""

    group: str
    problem: Problem | None
    partitions: int = 0
    in_flight: int = 0
    oldest_seconds: float = 0.0
    """Age of the oldest record in flight: grows without end under an outage."""
    waiting: int = 0
    """Records that wait for a dependency, or for their dead letter's topic."""
    waiting_for: str | None = None
    """Code of the failure, or class name of the error, that the longest of them met last."""
    waiting_since: datetime | None = None
    waiting_seconds: float = 0.0
    refused: str | None = None
    """Why Kafka does not let this service do its work."""

    @classmethod
    def of(
        cls,
        group: str,
        problem: Problem | None,
        owned: Assignment | None,
        handling: Handling,
        now: float,
        *,
        refused: str | None = None,
    ) -> "Health":
        """From the parts of a consumer."""
        waits = handling.burial.unwritten or handling.outages
        oldest = waits.oldest
        return cls(
            group,
            problem,
            partitions=len(owned.places) if owned else 0,
            in_flight=owned.in_flight if owned else 0,
            oldest_seconds=owned.oldest(now) if owned else 0.0,
            waiting=len(waits),
            waiting_for=oldest.dependency if oldest else None,
            waiting_since=oldest.since if oldest else None,
            waiting_seconds=now - oldest.began if oldest else 0.0,
            refused=refused,
        )

    @property
    def ready(self) -> bool:
        """Has its partitions, talks to the broker and gets work done. A dependency that is away for a moment, or for
        one key only, is said but does not make the service unready."""
        return self.problem in {None, "dependency"}

    def said(self) -> str:
        """The problem, what is waited for and since when."""
        if self.problem == "broker" and self.refused:
            return f"broker. {self.refused.rstrip('.')}"
        since = f" since {self.waiting_since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if self.waiting_since else ""
        return f"{self.problem}, {self.waiting} wait for {self.waiting_for}{since}" if since else str(self.problem)

    def probe(self) -> str | None:
        """For `/ready`: nothing, or what is waited for. Raises NotHearing."""
        if not self.ready:
            raise NotHearing(group=self.group, problem=self.said())
        return self.said() if self.problem else None


def diagnose(handling: Handling, broken: Failure | None, now: float, *, away: bool, settled: bool) -> Problem | None:
    """The problem that matters most. `broken`: why the process ends; `away`: the broker does not answer; `settled`: no
    rebalance is going on."""
    outage = handling.outages.oldest
    found: tuple[tuple[object, Problem], ...] = (
        (isinstance(broken, HandlerUnstoppable), "handler_unstoppable"),
        (broken, "bus_stalled"),
        (handling.burial.held, "dead_letter_limit"),
        (away, "broker"),
        (handling.burial.unwritten, "dead_letter_unwritten"),
        (not settled, "starting"),
        (outage and now - max(outage.began, handling.handled_at) > OUTAGE_SECONDS, "outage"),
        (outage, "dependency"),
    )
    return next((problem for holds, problem in found if holds), None)
