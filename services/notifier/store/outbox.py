"""The outbox: events that wait for the relay, in the transaction that caused them."""

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.notifier.store.database import Connection, Database, DatabaseUnavailable
from services.notifier.store.retention import AT_ONCE, KEPT, Retention
from shared.clock import Clock
from shared.events import EVENTS, DeliveryEvent, Event, Lane, Record, encode, topic_of
from shared.outbox import Waiting
from shared.telemetry import current_trace

log = structlog.get_logger(__name__)

PUT = """
INSERT INTO outbox (type, body, urgent, traceparent, created_at)
SELECT type, body, urgent, trace, $5
FROM unnest($1::text[], $2::text[], $3::bool[], $4::text[]) AS new (type, body, urgent, trace)
"""

# No transaction lasts while the broker is being asked: a row is somebody's until a moment, and free again after it.
# Types that only a newer version of ourselves knows are left to it.
CLAIM = """
UPDATE outbox SET claimed_until = $4 WHERE id IN (
  SELECT id FROM outbox WHERE published_at IS NULL AND parked IS NULL AND type = ANY($2::text[])
    AND (claimed_until IS NULL OR claimed_until <= $3)
  ORDER BY urgent DESC, id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, type, body, urgent, traceparent, created_at
"""
GIVE_BACK = "UPDATE outbox SET claimed_until = NULL WHERE id = ANY($1::bigint[]) AND published_at IS NULL"
MARK = "UPDATE outbox SET published_at = $2 WHERE id = ANY($1::bigint[])"
PARK = "UPDATE outbox SET parked = $2 WHERE id = $1"

AGAIN = (
    "UPDATE outbox SET published_at = NULL, claimed_until = NULL WHERE published_at IS NOT NULL AND created_at >= $1"
)

CLUSTER = "SELECT id FROM cluster FOR UPDATE"
SET_CLUSTER = "INSERT INTO cluster (id) VALUES ($1) ON CONFLICT (one) DO UPDATE SET id = EXCLUDED.id"

WAITING = """
SELECT count(*) FILTER (WHERE parked IS NULL) AS rows, count(parked) AS parked,
  min(created_at) FILTER (WHERE parked IS NULL) AS oldest
FROM outbox WHERE published_at IS NULL
"""

LEASE = timedelta(seconds=5)
"""What a killed relay had in hand waits that long. A publishing that takes longer may be done twice, which is harmless:
consumers count an event once."""


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


class Claimed:
    """Rows in hand."""

    def __init__(self, database: Database, rows: Sequence[Any]) -> None:
        self._database = database
        readable = [(row, record) for row in rows if (record := _record(row)) is not None]
        self._ids = [row["id"] for row, _ in readable]
        self.records = [record for _, record in readable]
        self.stated_at = [row["created_at"] for row, _ in readable]

    async def published(self, positions: Sequence[int], now: datetime) -> None:
        """Mark the records at these positions."""
        async with self._database.connection() as db:
            await db.execute(MARK, [self._ids[position] for position in positions], now)

    async def refused(self, position: int, problem: str, now: datetime) -> None:  # noqa: ARG002 # the relay's contract
        """Park a record that the broker never takes."""
        async with self._database.connection() as db:
            await db.execute(PARK, self._ids[position], problem)

    async def give_back(self) -> None:
        """What is not published is free at once; where the database is away, after the lease."""
        with contextlib.suppress(DatabaseUnavailable):
            async with self._database.connection() as db:
                await db.execute(GIVE_BACK, self._ids)


class Outbox:
    """What the relay needs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._retention = Retention(database)

    @contextlib.asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Claimed]:
        """Up to `limit` events that are not published, urgent ones first, then the oldest; nobody else gets them for
        LEASE. Given back when the block raises. Raises DatabaseUnavailable."""
        now = self._clock()
        async with self._database.connection() as db:
            rows = await db.fetch(CLAIM, limit, list(EVENTS), now, now + LEASE)
        claimed = Claimed(self._database, sorted(rows, key=lambda row: (not row["urgent"], row["id"])))
        try:
            yield claimed
        except BaseException:
            await claimed.give_back()
            raise

    async def again(self, since: datetime) -> int:
        """State everything since then again; returns how many events."""
        async with self._database.transaction() as db:
            return int(str(await db.execute(AGAIN, since)).rpartition(" ")[2])

    async def meet(self, cluster_id: str, now: datetime) -> int:
        """Note the broker's cluster. Where an earlier start knew another one, everything that is kept is to be stated
        again: that broker has forgotten it. Returns how many events."""
        async with self._database.transaction() as db:
            known = await db.fetchval(CLUSTER)
            if known == cluster_id:
                return 0
            await db.execute(SET_CLUSTER, cluster_id)
            return int(str(await db.execute(AGAIN, now - KEPT)).rpartition(" ")[2]) if known else 0

    async def waiting(self) -> Waiting:
        """How many events wait, since when the oldest does, and how many are parked."""
        async with self._database.connection() as db:
            row = await db.fetchrow(WAITING)
        return Waiting(row["rows"], row["oldest"], row["parked"])

    async def sweep(self, now: datetime) -> None:
        """Delete what is over, here and in the other tables."""
        while await self._retention.sweep(now) >= AT_ONCE:
            pass


def _urgent(event: Event) -> bool:
    """Whether a person waits for what this causes."""
    return topic_of(event).urgent or (isinstance(event, DeliveryEvent) and event.lane is Lane.URGENT)


def _record(row: Any) -> Record | None:
    """None for a row of a newer version of ourselves: its own process publishes it."""
    try:
        return encode(EVENTS[row["type"]].model_validate_json(row["body"]), row["traceparent"])
    except ValueError as error:
        log.warning("event of another version", event_type=row["type"], exc_info=error)
        return None
