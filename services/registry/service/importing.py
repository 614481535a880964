"""Importing tables: in chunks, in constant memory, every row taken whole or rejected with a reason."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog

from services.registry.domain.failures import (
    FILE_FAILURES,
    ROW_FAILURES,
    DatabaseUnavailable,
    Interrupted,
    NoSuchImport,
    OtherPreset,
    UnknownPreset,
)
from services.registry.domain.importing import Counts, Job, KeptReject, Kind, UnitChunk
from services.registry.domain.ports import Store, Upload, Work
from services.registry.domain.preset import Preset
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.rules import Rules
from services.registry.domain.sheet import (
    ADDED,
    AppointmentRow,
    Header,
    Reject,
    Row,
    UnitRow,
    check_appointment_columns,
    check_unit_columns,
    unit_row,
)
from services.registry.service.recording import Recording
from shared import ids
from shared.errors import Failure

T = TypeVar("T")
log = structlog.get_logger(__name__)

UNITS_AT_ONCE = 1000
APPOINTMENTS_AT_ONCE = 200
WRITERS = 4
"""Units whose appointments are recorded at the same time; rows of one unit keep their order."""
SILENT = timedelta(minutes=2)
"""A running job without a sign of life for so long has lost its process."""
PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts while the database is away."""
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Running:
    """A job under way."""

    principal: Principal
    job: Job
    preset: Preset | None
    upload: Upload


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of a reject file: as uploaded, with what is wrong."""

    number: int
    cells: Sequence[str] = field(repr=False)
    problems: Sequence[Failure]


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, and how many rows were rejected for what."""

    job: Job
    problems: Mapping[str, int]


class Importing:
    """Imports tables."""

    def __init__(self, store: Store, recording: Recording, rules: Rules) -> None:
        """An import takes long: it reads the clock itself, for every chunk."""
        self._store = store
        self._recording = recording
        self._phonebook = rules.phonebook
        self._vault = rules.vault
        self._presets = rules.presets
        self._clock = rules.clock

    async def begin(self, principal: Principal, kind: Kind, preset: str | None, upload: Upload) -> Running:
        """A job for `upload`; hand it to `work`. `preset`: of a unit list, the organisation's if None. Raises
        NotPermitted, UnknownPreset, OtherPreset."""
        principal.require(Permission.IMPORT)
        organisation = principal.organisation_id
        async with self._store.transaction() as work:
            shape = await self._preset(work, organisation, preset) if kind == "units" else None
            job = Job(
                id=ids.new_id(), kind=kind, preset=shape.code if shape else None, state="running", problem=None,
                problem_details=None, encoding=None, columns=None, total_bytes=upload.size, counts=Counts(),
                created_at=self._clock(), finished_at=None,
            )  # fmt: skip
            await work.imports.add(job, principal)
        return Running(principal, job, shape, upload)

    async def _preset(self, work: Work, organisation: UUID, code: str | None) -> Preset:
        wanted = code or (await work.units.organisation(organisation)).preset
        preset = self._presets.get(wanted)
        if preset is None:
            raise UnknownPreset(field="preset", preset=wanted[:50])
        levels = set(await work.units.levels(organisation))
        if not {level.code for level in preset.levels} <= levels:
            raise OtherPreset(field="preset", preset=preset.code)
        return preset

    async def work(self, running: Running) -> None:
        """Take every row; what goes wrong with the file stands in the job."""
        failure: Failure | None = None
        try:
            await (self._units(running) if running.preset else self._appointments(running))
        except Failure as raised:
            failure = raised if raised.code in FILE_FAILURES else Interrupted()
        except Exception:  # a bug that one file brings to light must not end the process
            log.exception("import crashed", job=str(running.job.id))
            failure = Interrupted()

        async def finish(work: Work) -> None:
            await work.imports.finish(running.job.id, failure, self._clock())
            await work.appointments.changed(running.principal.organisation_id, None, "import", self._clock())

        await self._patiently(finish)

    async def _units(self, running: Running) -> None:
        preset = running.preset
        assert preset is not None
        header = await self._header(running, lambda header: check_unit_columns(header, preset))
        counts = Counts()
        while rows := await running.upload.rows(UNITS_AT_ONCE):
            wanted, rejects = _parse_units(header, rows, preset)

            async def take(
                work: Work,
                wanted: Sequence[tuple[Row, UnitRow]] = wanted,
                rejects: Sequence[Reject] = rejects,
                before: Counts = counts,
            ) -> Counts:
                codes = {step.code for _, unit in wanted for step in unit.steps}
                codes |= {unit.parent for _, unit in wanted if unit.parent}
                organisation = running.principal.organisation_id
                chunk = UnitChunk(await work.imports.known_units(organisation, codes, running.job))
                for row, unit in wanted:
                    chunk.take(row, unit)
                await work.imports.add_units(organisation, running.job, chunk)
                tally = Tally(chunk.accepted, chunk.unchanged, [*rejects, *chunk.rejects])
                return await self._keep(work, running, before, tally)

            counts = await self._patiently(take)

    async def _appointments(self, running: Running) -> None:
        header = await self._header(running, check_appointment_columns)
        counts = Counts()
        while rows := await running.upload.rows(APPOINTMENTS_AT_ONCE):
            tally = await self._record(running, header, [row for row in rows if not header.skips(row)])

            async def keep(work: Work, tally: Tally = tally, before: Counts = counts) -> Counts:
                return await self._keep(work, running, before, tally)

            counts = await self._patiently(keep)

    async def _record(self, running: Running, header: Header, rows: Sequence[Row]) -> "Tally":
        """Rows of one unit one after the other, since the first takes the first seat; several units at once."""
        tally = Tally()
        by_unit: dict[str, list[tuple[Row, AppointmentRow]]] = defaultdict(list)
        for row in rows:
            try:
                cells = header.cells(row)
            except Failure as failure:
                tally.rejects.append(Reject(row, [failure]))
                continue
            by_unit[cells["unit"]].append((row, AppointmentRow(cells, self._phonebook, self._clock())))
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

    async def _record_one(self, running: Running, row: Row, asked: AppointmentRow, tally: "Tally") -> None:
        command = asked.command()
        if command is None:
            tally.rejects.append(Reject(row, asked.problems))
            return
        for pause in (*PATIENCE, None):
            try:
                answer = await self._recording.record(running.principal, command, None, self._clock())
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

    async def _header(self, running: Running, check: Callable[[Header], None]) -> Header:
        header = await running.upload.header()

        async def keep(work: Work) -> None:
            await work.imports.read_as(running.job.id, header)

        await self._patiently(keep)
        check(header)
        return header

    async def _keep(self, work: Work, running: Running, before: Counts, tally: "Tally") -> Counts:
        counts = replace(
            before,
            bytes=running.upload.position,
            rows=before.rows + tally.accepted + tally.unchanged + len(tally.rejects),
            accepted=before.accepted + tally.accepted,
            unchanged=before.unchanged + tally.unchanged,
            rejected=before.rejected + len(tally.rejects),
        )
        await work.imports.reject(running.job.id, [kept for reject in tally.rejects for kept in self._kept(reject)])
        await work.imports.progress(running.job.id, counts, self._clock())
        if tally.accepted:
            await work.appointments.changed(running.principal.organisation_id, None, "import", self._clock())
        return counts

    def _kept(self, reject: Reject) -> list[KeptReject]:
        cells = self._vault.lock(json.dumps(list(reject.row.cells), ensure_ascii=False))
        return [
            KeptReject(reject.row.number, number, failure.field, failure.code, failure.details, cells)
            for number, failure in enumerate(reject.problems)
        ]

    async def _patiently(self, act: Callable[[Work], Awaitable[T]]) -> T:
        """`act` in a transaction, again while the database is away. Raises DatabaseUnavailable in the end."""
        for pause in PATIENCE:
            try:
                async with self._store.transaction() as work:
                    return await act(work)
            except DatabaseUnavailable:
                await asyncio.sleep(pause)
        async with self._store.transaction() as work:
            return await act(work)

    async def show(self, principal: Principal, job_id: UUID) -> JobView:
        """A job and its rejects by code. A job whose process died is failed from now on. Raises NotPermitted,
        NoSuchImport."""
        principal.require(Permission.IMPORT)
        now = self._clock()
        async with self._store.transaction() as work:
            await work.imports.abandon(now - SILENT, now)
            job = await work.imports.get(principal.organisation_id, job_id)
            if job is None:
                raise NoSuchImport
            return JobView(job, await work.imports.reject_counts(job_id))

    async def recent(self, principal: Principal, limit: int = 20) -> Sequence[Job]:
        """The newest jobs. Raises NotPermitted."""
        principal.require(Permission.IMPORT)
        async with self._store.transaction() as work:
            return await work.imports.recent(principal.organisation_id, limit)

    def columns(self, job: Job) -> Sequence[str]:
        """The columns of the job's reject file: those of the upload."""
        return [column for column in job.columns or () if column not in ADDED]

    async def rejects(self, job: Job) -> AsyncIterator[RejectedRow]:
        """Rejected rows in order, a page at a time."""
        kept = [number for number, column in enumerate(job.columns or ()) if column not in ADDED]
        after, open_row = (0, -1), None
        while True:
            async with self._store.transaction() as work:
                page = await work.imports.rejects(job.id, after, _PAGE)
            for reject in page:
                problem = _failure(reject)
                if open_row is not None and open_row.number == reject.row:
                    open_row = replace(open_row, problems=[*open_row.problems, problem])
                    continue
                if open_row is not None:
                    yield open_row
                cells = json.loads(self._vault.unlock(reject.cells))
                open_row = RejectedRow(reject.row, _columns(cells, kept), [problem])
            if len(page) < _PAGE:
                break
            after = (page[-1].row, page[-1].problem)
        if open_row is not None:
            yield open_row


@dataclass
class Tally:
    """What became of a chunk."""

    accepted: int = 0
    unchanged: int = 0
    rejects: list[Reject] = field(default_factory=list)


def _parse_units(header: Header, rows: Sequence[Row], preset: Preset) -> tuple[list[tuple[Row, UnitRow]], list[Reject]]:
    wanted: list[tuple[Row, UnitRow]] = []
    rejects: list[Reject] = []
    for row in rows:
        if header.skips(row):
            continue
        try:
            wanted.append((row, unit_row(header, row, preset)))
        except Failure as failure:
            rejects.append(Reject(row, [failure]))
    return wanted, rejects


def _columns(cells: Sequence[str], kept: Sequence[int]) -> list[str]:
    """The row's cells without those of an earlier reject file; a row that was too wide keeps what is too much."""
    width = max(kept, default=-1) + 1
    return [cells[number] if number < len(cells) else "" for number in kept] + list(cells[width:])


def _failure(reject: KeptReject) -> Failure:
    made = ROW_FAILURES[reject.code]
    details: dict[str, Any] = dict(reject.details)
    return made(field=reject.column, **details)
