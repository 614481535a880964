"""The outbox: events that wait for the relay, in the transaction that caused them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.notifier.store.database import Connection, Database
from shared.events import EVENTS, DeliveryEvent, Event, Lane, Record, encode, topic_of
from shared.telemetry import current_trace

PUT = """
INSERT INTO outbox (type, body, urgent, traceparent, created_at)
SELECT type, body, urgent, trace, $5
FROM unnest($1::text[], $2::text[], $3::bool[], $4::text[]) AS new (type, body, urgent, trace)
"""

CLAIM = """
SELECT id, type, body, traceparent FROM outbox WHERE published_at IS NULL
ORDER BY urgent DESC, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""

MARK = "UPDATE outbox SET published_at = $2 WHERE id = ANY($1::bigint[])"

AGAIN = "UPDATE outbox SET published_at = NULL WHERE published_at IS NOT NULL AND created_at >= $1"

CLUSTER = "SELECT id FROM cluster FOR UPDATE"
SET_CLUSTER = "INSERT INTO cluster (id) VALUES ($1) ON CONFLICT (one) DO UPDATE SET id = EXCLUDED.id"

WAITING = "SELECT count(*) AS count, min(created_at) AS oldest FROM outbox WHERE published_at IS NULL"

KEPT = timedelta(days=7)
"""As long as the topics keep records: an ephemeral broker's contents are stated again from here (decision 22)."""


async def put(
    db: Connection, events: Sequence[Event], now: datetime, traces: Sequence[str | None] | None = None
) -> None:
    """Add `events` to the outbox; `traces` are their trace contexts, else the current one."""
    if events:
        spoken = traces if traces is not None else [current_trace.get()] * len(events)
        await db.execute(PUT, *columns(events, spoken), now)


def columns(events: Collection[Event], traces: Sequence[str | None]) -> tuple[list[Any], ...]:
    """Arrays for the columns type, body, urgent, traceparent."""
    bodies = [event.model_dump_json() for event in events]
    return [event.type for event in events], bodies, [_urgent(event) for event in events], list(traces)


class Publish(Protocol):
    """How the relay publishes: raises when it is not acknowledged."""

    async def __call__(self, records: Sequence[Record]) -> None:
        """Returns when all are acknowledged."""


class Outbox:
    """What the relay needs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def relay(self, publish: Publish, limit: int, now: datetime) -> int:
        """Publish up to `limit` events, oldest first, and mark them; returns how many. Rows that another replica has
        in hand are passed over; when publishing fails nothing is marked, and all is published again."""
        async with self._database.transaction() as db:
            rows = await db.fetch(CLAIM, limit)
            if rows:
                await publish([_record(row["type"], row["body"], row["traceparent"]) for row in rows])
                await db.execute(MARK, [row["id"] for row in rows], now)
            return len(rows)

    async def again(self, since: datetime) -> int:
        """State everything since then again; returns how many events."""
        async with self._database.transaction() as db:
            return int(str(await db.execute(AGAIN, since)).rpartition(" ")[2])

    async def meet(self, cluster: str, since: datetime) -> int:
        """Note the broker's cluster. Where an earlier start knew another one, everything since `since` is to be
        stated again: that broker has forgotten it. Returns how many events."""
        async with self._database.transaction() as db:
            known = await db.fetchval(CLUSTER)
            if known == cluster:
                return 0
            await db.execute(SET_CLUSTER, cluster)
            return int(str(await db.execute(AGAIN, since)).rpartition(" ")[2]) if known else 0

    async def waiting(self) -> tuple[int, datetime | None]:
        """How many events wait, and since when the oldest does."""
        async with self._database.connection() as db:
            row = await db.fetchrow(WAITING)
        return row["count"], row["oldest"]


def _urgent(event: Event) -> bool:
    """Whether a person waits for what this causes."""
    return topic_of(event).urgent or (isinstance(event, DeliveryEvent) and event.lane is Lane.URGENT)


def _record(event_type: str, body: str, traceparent: str | None) -> Record:
    return encode(EVENTS[event_type].model_validate_json(body), traceparent)
