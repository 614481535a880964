"""Events, a handler that remembers, and waiting on a condition: what all tests of the bus need."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid5

from shared.bus import Context, Outgoing
from shared.events import PersonErased, encode

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
_SUBJECTS = UUID("01900000-0000-7000-8000-000000000001")


def clock() -> datetime:
    """A moment that does not pass."""
    return NOW


def erased(subject: int | str, version: int = 1) -> PersonErased:
    """The smallest event. All events of one subject share a key."""
    return PersonErased(
        organisation_id=_SUBJECTS,
        subject=uuid5(_SUBJECTS, str(subject)),
        version=version,
        at=NOW,
        appointment_ids=(),
    )


def outgoing(event: PersonErased, topic: str, traceparent: str | None = None) -> Outgoing:
    """The record of `event`, for another topic than the contract's."""
    record = encode(event, traceparent)
    return Outgoing(topic, record.key, record.value, record.headers)


class Heard:
    """A handler that remembers what it heard; fails or waits on request."""

    def __init__(self) -> None:
        """Heard nothing yet."""
        self.calls: list[tuple[PersonErased, Context]] = []
        self.failures: dict[UUID, Callable[[Context], Exception | None]] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.blocked: set[UUID] = set()
        """Subjects that wait for the gate; empty: all do."""
        self.finished: list[tuple[UUID, int]] = []
        self.busy: dict[UUID, int] = defaultdict(int)
        self.overlaps = 0

    async def __call__(self, event: PersonErased, context: Context) -> None:
        """Handle one event."""
        self.calls.append((event, context))
        self.busy[event.subject] += 1
        self.overlaps += self.busy[event.subject] > 1
        try:
            if not self.blocked or event.subject in self.blocked:
                await self.gate.wait()
            await asyncio.sleep(0)
            if (failing := self.failures.get(event.subject)) and (error := failing(context)) is not None:
                raise error
        finally:
            self.busy[event.subject] -= 1
        self.finished.append((event.subject, event.version))

    def versions(self, subject: int | str) -> list[int]:
        """Versions of one subject, in the order in which they were finished."""
        wanted = erased(subject).subject
        return [version for finished, version in self.finished if finished == wanted]


async def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Return as soon as `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 # the condition is of the outside: there is no event to wait for
            await asyncio.sleep(0.005)
