"""One transaction with everything that use cases need in it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.registry.store.access import AccessRows
from services.registry.store.announcements import AnnouncementRows
from services.registry.store.appointments import AppointmentRows
from services.registry.store.database import Database, Rows
from services.registry.store.hearing import HearingRows
from services.registry.store.imports import ImportRows
from services.registry.store.outbox import OutboxRows
from services.registry.store.people import PersonRows
from services.registry.store.recording import RecordingRows
from services.registry.store.units import UnitRows


class Transaction:
    """Implements `domain.ports.Work`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self.units = UnitRows(rows)
        self.people = PersonRows(rows)
        self.appointments = AppointmentRows(rows)
        self.outbox = OutboxRows(rows)
        self.access = AccessRows(rows)
        self.imports = ImportRows(rows)
        self.recording = RecordingRows(rows)
        self.announcements = AnnouncementRows(rows)
        self.hearing = HearingRows(rows)

    @property
    def told(self) -> bool:
        """Whether relay or open pages have something to do once this is committed."""
        return self.outbox.added or self.appointments.changes or self.recording.added or self.hearing.changes


class PostgresStore:
    """Implements `domain.ports.Store`."""

    def __init__(self, database: Database, committed: Callable[[], None]) -> None:
        """`committed` is called when events or changes were committed: relay and open pages look at once."""
        self._database = database
        self._committed = committed

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction. Raises DatabaseUnavailable."""
        async with self._database.transaction() as rows:
            work = Transaction(rows)
            yield work
        if work.told:
            self._committed()

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[Transaction]:
        """Statements that commit one by one. Raises DatabaseUnavailable."""
        async with self._database.glance() as rows:
            work = Transaction(rows)
            yield work
        if work.told:
            self._committed()
