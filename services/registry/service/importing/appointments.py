"""Importing appointments: each row is recorded as the API records it, in a transaction of its own."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from services.registry.domain.appointment_rows import AppointmentRow, check_appointment_columns
from services.registry.domain.failures import ROW_FAILURES, DatabaseUnavailable, EmptyFile
from services.registry.domain.importing import Counts
from services.registry.domain.phonebook import Phonebook
from services.registry.domain.ports import Work
from services.registry.domain.sheet import Header, Reject, Row
from services.registry.service.importing.keeping import PATIENCE, Keeper, Running, Tally
from services.registry.service.recording import Recording
from shared.errors import Failure

AT_ONCE = 200
"""Rows between two reports of progress."""
WRITERS = 4
"""Units whose appointments are recorded at the same time; rows of one unit keep their order."""


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
        """Rows of one unit one after the other, since the first takes the first seat; several units at once."""
        tally = Tally()
        by_unit: dict[str, list[tuple[Row, AppointmentRow]]] = defaultdict(list)
        for row in rows:
            try:
                cells = header.cells(row)
            except Failure as failure:
                tally.rejects.append(Reject(row, [failure]))
                continue
            by_unit[cells["unit"]].append((row, AppointmentRow(cells, self._phonebook, self._keeper.clock())))
        room = asyncio.Semaphore(WRITERS)

        async def of_one_unit(group: Sequence[tuple[Row, AppointmentRow]]) -> None:
            async with room:
                for row, asked in group:
                    await self._record_one(running, row, asked, tally)

        try:
            async with asyncio.TaskGroup() as group:
                for one in by_unit.values():
                    group.create_task(of_one_unit(one))
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        return tally

    async def _record_one(self, running: Running, row: Row, asked: AppointmentRow, tally: Tally) -> None:
        command = asked.command()
        if command is None:
            tally.rejects.append(Reject(row, asked.problems))
            return
        for pause in (*PATIENCE, None):
            try:
                answer = await self._recording.record(running.principal, command, None, self._keeper.clock())
            except DatabaseUnavailable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            except Failure as failure:
                if failure.code not in ROW_FAILURES:
                    raise
                tally.rejects.append(Reject(row, [failure]))
                return
            else:
                tally.accepted += answer.created
                tally.unchanged += not answer.created
                return
