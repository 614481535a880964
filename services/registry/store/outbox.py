"""Events to be published, kept in the same transaction as what they state."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.registry.store.database import Rows
from shared.events import Event, Record, encode, topic_of
from shared.telemetry import current_trace


class OutboxRows:
    """Implements `domain.ports.Outbox`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows
        self.added = False
        """Whether the relay has something to do once this is committed."""

    async def add(self, events: Sequence[Event], about: Sequence[UUID] = ()) -> None:
        """Keep `events`; `about`: persons whose sealed fields they hold. A known event id is kept once."""
        await self.add_all([(event, about) for event in events], current_trace.get())

    async def add_all(self, events: Sequence[tuple[Event, Sequence[UUID]]], trace: str | None) -> None:
        """The same for many, each with its persons, in one go; `trace`: the context that they belong to."""
        await self._rows.many("add_event", [_values(event, encode(event, trace), about) for event, about in events])
        self.added = self.added or bool(events)

    async def forget(self, person_id: UUID) -> None:
        """Delete the events that hold sealed fields of this person: what is not published yet need not be any more."""
        await self._rows.run("forget_events", person_id)

    async def again(self, since: datetime) -> int:
        """Publish again what was published since then; returns how many."""
        self.added = True
        return await self._rows.run("publish_again", since)


def _values(event: Event, record: Record, about: Sequence[UUID]) -> tuple[object, ...]:
    headers = [[name, value.decode() if value is not None else None] for name, value in record.headers]
    return (
        event.event_id,
        event.organisation_id,
        topic_of(event).urgent,
        record.topic,
        record.key,
        record.value,
        headers,
        list(about),
        event.at,
    )
