"""Importing appointments: rows are recorded as the API records them, many in one transaction, each failing alone."""

import asyncio
from collections.abc import Sequence

from services.registry.domain.appointment_rows import AppointmentRow, check_appointment_columns
from services.registry.domain.commands import Answer, Record
from services.registry.domain.failures import ROW_FAILURES, DatabaseUnavailable, EmptyFile
from services.registry.domain.importing import Counts
from services.registry.domain.phonebook import Phone, Phonebook
from services.registry.domain.ports import Work
from services.registry.domain.sheet import Header, Reject, Row
from services.registry.service.importing.keeping import PATIENCE, Keeper, Running, Tally
from services.registry.service.recording import Recording
from shared.errors import Failure

AT_ONCE = 200
"""Rows between two reports of progress."""


class AppointmentImport:
    """Imports appointments."""

    def __init__(self, recording: Recording, phonebook: Phonebook, keeper: Keeper) -> None:
        """Nothing is opened."""
        self._recording = recording
        self._phonebook = phonebook
        self._keeper = keeper

    async def run(self, running: Running) -> None:
        """Take every row. Raises what fails the file as a whole, or DatabaseUnavailable."""
        header = await self._keeper.header(running, check_appointment_columns)
        counts = Counts()
        while rows := await running.upload.rows(AT_ONCE):
            tally = await self._record(running, header, [row for row in rows if not header.skips(row)])

            async def keep(work: Work, tally: Tally = tally, before: Counts = counts) -> Counts:
                return await self._keeper.keep(work, running, before, tally)

            counts = await self._keeper.patiently(keep)
        if not counts.rows:
            raise EmptyFile

    async def _record(self, running: Running, header: Header, rows: Sequence[Row]) -> Tally:
        """Rows of one unit in order, since the first takes the first seat."""
        tally = Tally()
        asked: list[tuple[Row, Record, Phone]] = []
        for row in rows:
            try:
                read = AppointmentRow(header.cells(row), self._phonebook, self._keeper.clock())
            except Failure as failure:
                tally.rejects.append(Reject(row, [failure]))
                continue
            command, phone = read.command(), read.phone
            if command is None or phone is None:
                tally.rejects.append(Reject(row, read.problems))
            else:
                asked.append((row, command, phone))
        for pause in (*PATIENCE, None):
            asked = await self._record_all(running, asked, tally, last=pause is None)
            if not asked:
                break
            await asyncio.sleep(pause or 0.0)
        return tally

    async def _record_all(
        self, running: Running, asked: Sequence[tuple[Row, Record, Phone]], tally: Tally, *, last: bool
    ) -> list[tuple[Row, Record, Phone]]:
        """Counts what was recorded and rejected; returns what must be tried again because the database was away. Raises
        DatabaseUnavailable at the last try, and whatever is no fault of a row."""
        commands = [(command, phone) for _, command, phone in asked]
        results = await self._recording.record_all(running.principal, commands, self._keeper.clock())
        again = []
        for each, result in zip(asked, results, strict=True):
            if isinstance(result, Answer):
                tally.accepted += result.created
                tally.unchanged += not result.created
            elif isinstance(result, Failure) and result.code in ROW_FAILURES:
                tally.rejects.append(Reject(each[0], [result]))
            elif isinstance(result, DatabaseUnavailable) and not last:
                again.append(each)
            else:
                raise result
        return again
