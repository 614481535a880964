"""The outbox as the relay sees it, and the housekeeping that runs beside it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from services.registry.store.database import Database, Row, Rows
from shared.events import Record
from shared.outbox import Waiting

KEEP_EVENTS = timedelta(days=7)
"""Published rows are kept as long as topics keep records: a broker without memory gets them again (decision 22)."""
KEEP_ANSWERS = timedelta(days=2)
KEEP_CHANGES = timedelta(days=1)
"""Open pages look back ten minutes at most (portal.md P16)."""
KEEP_REJECTS = timedelta(days=7)
KEEP_DELIVERIES = timedelta(days=60)
"""Of messages to the appointee: longer than topic and dead letters keep their events (decision 17), so that a replay
finds the version that it must not go below."""
KEEP_ANNOUNCED = timedelta(days=40)
"""Of announcements, many for each appointment: as long as topic (30 days) and a week."""


class Claimed:
    """Implements `shared.outbox.Claim`: rows that this relay alone publishes while its lock lasts."""

    def __init__(self, rows: Rows, claimed: Sequence[Row]) -> None:
        """`claimed` are not published yet. Marks are commits of their own."""
        self._rows = rows
        self._ids = [row["id"] for row in claimed]
        self.records = [_record(row) for row in claimed]
        self.stated_at = [row["created_at"] for row in claimed]
        """When each was stated."""

    async def published(self, positions: Sequence[int], now: datetime) -> None:
        """Mark the records at these positions."""
        await self._rows.run("mark_published", [self._ids[position] for position in positions], now)

    async def refused(self, position: int, problem: str, now: datetime) -> None:
        """Mark a record that the broker never takes, so that it holds up nothing."""
        await self._rows.run("mark_refused", self._ids[position], now, problem)


class OutboxStore:
    """Implements `shared.outbox.Outbox`: claims, marks, republishes and forgets events."""

    def __init__(self, database: Database) -> None:
        """Nothing is opened."""
        self._database = database

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Claimed]:
        """At most `limit` unpublished rows, while no other relay claims any. A lock of the session, not of a
        transaction: nothing is begun or committed around the broker's answer. A kill ends the session and the lock."""
        async with self._database.session("lock_relay", "unlock_relay") as rows:
            yield Claimed(rows, await rows.all("claim_events", limit))

    async def waiting(self) -> Waiting:
        """How much is waiting (counted to 100,000), since when, and how much never will be published."""
        async with self._database.glance() as rows:
            row = await rows.one("outbox_age")
        return Waiting(row["waiting"], row["oldest"], row["parked"]) if row else Waiting(0, None)

    async def meet(self, cluster_id: str, now: datetime) -> int:
        """Note the broker's cluster. If another one was seen before, that one's records are gone: publish the last 7
        days again. Returns how many events; one of several replicas does it."""
        async with self._database.transaction() as rows:
            await rows.run("lock_cluster")
            known = await rows.value("cluster")
            if known == cluster_id:
                return 0
            await rows.run("see_cluster", cluster_id, now)
            return await rows.run("publish_again", now - KEEP_EVENTS) if known else 0

    async def sweep(self, now: datetime) -> None:
        """Forget what nobody needs any more."""
        async with self._database.transaction() as rows:
            await rows.run("sweep_outbox", now - KEEP_EVENTS)
            await rows.run("sweep_idempotency", now - KEEP_ANSWERS)
            await rows.run("sweep_changes", now - KEEP_CHANGES)
            await rows.run("sweep_rejects", now - KEEP_REJECTS)
            await rows.run("sweep_deliveries", now - KEEP_DELIVERIES, now - KEEP_ANNOUNCED)
            await rows.run("sweep_sign_ins", now)
            await rows.run("sweep_sessions", now)


def _record(row: Row) -> Record:
    headers = tuple((name, None if value is None else value.encode()) for name, value in row["headers"])
    return Record(row["topic"], bytes(row["key"]), bytes(row["value"]), headers)
