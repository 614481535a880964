"""Jobs: begun with an upload, worked on, looked at."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from services.registry.domain.failures import (
    FILE_FAILURES,
    Interrupted,
    NoSuchImport,
    OtherPreset,
    UnknownPreset,
)
from services.registry.domain.importing import Counts, Job, Kind
from services.registry.domain.ports import Store, Upload, Work
from services.registry.domain.preset import Preset
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.rules import Rules
from services.registry.service.importing.appointments import AppointmentImport
from services.registry.service.importing.keeping import Keeper, Running
from services.registry.service.importing.rejects import RejectedRow, read_rejects, reject_columns
from services.registry.service.importing.units import import_units
from services.registry.service.recording import Recording
from shared import ids
from shared.errors import Failure

log = structlog.get_logger(__name__)

SILENT = timedelta(minutes=2)
"""A running job without a sign of life for so long has lost its process."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, and how many rows were rejected for what."""

    job: Job
    problems: Mapping[str, int]


class Importing:
    """Imports tables."""

    def __init__(self, store: Store, recording: Recording, rules: Rules) -> None:
        """Nothing is opened."""
        self._store = store
        self._vault = rules.vault
        self._presets = rules.presets
        self._clock = rules.clock
        self._keeper = Keeper(store, rules.vault, rules.clock)
        self._of_appointments = AppointmentImport(recording, rules.phonebook, self._keeper)

    async def begin(self, principal: Principal, kind: Kind, preset: str | None, upload: Upload) -> Running:
        """A job for `upload`; hand it to `work`. `preset`: of a unit list, the organisation's if None. Raises
        NotPermitted, UnknownPreset, OtherPreset; OutOfScope: units are for those who see the whole organisation."""
        if kind == "units":
            principal.require_everywhere(Permission.IMPORT)
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
            if running.preset is not None:
                await import_units(running, running.preset, self._keeper)
            else:
                await self._of_appointments.run(running)
        except Failure as raised:
            failure = raised if raised.code in FILE_FAILURES else Interrupted()
        except Exception:  # a bug that one file brings to light must not end the process
            log.exception("import crashed", job=str(running.job.id))
            failure = Interrupted()

        async def finish(work: Work) -> None:
            await work.imports.finish(running.job.id, failure, self._clock())
            await work.appointments.changed(running.principal.organisation_id, None, "import", self._clock())

        await self._keeper.patiently(finish)

    async def show(self, principal: Principal, job_id: UUID) -> JobView:
        """A job and its rejects by code. A job whose process died is failed from now on. Raises NotPermitted,
        NoSuchImport: also for another's, unless the principal sees the whole organisation."""
        principal.require(Permission.IMPORT)
        now = self._clock()
        async with self._store.transaction() as work:
            await work.imports.abandon(now - SILENT, now)
            job = await work.imports.get(principal, job_id)
            if job is None:
                raise NoSuchImport
            return JobView(job, await work.imports.reject_counts(job_id))

    async def recent(self, principal: Principal, limit: int = 20) -> Sequence[Job]:
        """The newest jobs that the principal may see. Raises NotPermitted."""
        principal.require(Permission.IMPORT)
        async with self._store.transaction() as work:
            return await work.imports.recent(principal, limit)

    def columns(self, job: Job) -> Sequence[str]:
        """The columns of the job's reject file: those of the upload."""
        return reject_columns(job)

    def rejects(self, job: Job) -> AsyncIterator[RejectedRow]:
        """Rejected rows in order, a page at a time."""
        return read_rejects(self._store, self._vault, job)
