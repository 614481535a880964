"""Import jobs, their rejects, and units in bulk."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.registry.domain.importing import Counts, Job, KeptReject, KnownUnit, NewUnit, UnitChunk
from services.registry.domain.principal import Principal
from services.registry.domain.sheet import Header
from services.registry.domain.vault import Box
from services.registry.store.database import Row, Rows
from shared.errors import Failure


class ImportRows:
    """Implements `domain.ports.Imports`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows

    async def add(self, job: Job, principal: Principal) -> None:
        """A new job."""
        await self._rows.run(
            "add_job", job.id, principal.organisation_id, job.kind, job.preset, job.total_bytes,
            principal.account_id, job.created_at,
        )  # fmt: skip

    async def get(self, principal: Principal, job_id: UUID) -> Job | None:
        """The job, if this principal may see it."""
        row = await self._rows.one("job", principal.organisation_id, job_id, principal.only_own)
        return _job(row) if row else None

    async def recent(self, principal: Principal, limit: int) -> Sequence[Job]:
        """The newest jobs that this principal may see."""
        rows = await self._rows.all("jobs", principal.organisation_id, limit, principal.only_own)
        return [_job(row) for row in rows]

    async def read_as(self, job_id: UUID, header: Header) -> None:
        """Keep how the file was read."""
        await self._rows.run("read_as", job_id, header.encoding, list(header.written))

    async def progress(self, job_id: UUID, counts: Counts, now: datetime) -> None:
        """Keep how far it is: also a sign of life."""
        c = counts
        await self._rows.run("progress", job_id, c.bytes, c.rows, c.accepted, c.unchanged, c.rejected, now)

    async def finish(self, job_id: UUID, failure: Failure | None, now: datetime) -> None:
        """It is done, or failed."""
        if failure is None:
            await self._rows.run("finish_job", job_id, "done", None, None, now)
        else:
            await self._rows.run("finish_job", job_id, "failed", failure.code, failure.details, now)

    async def abandon(self, silent_since: datetime, now: datetime) -> int:
        """Jobs whose process died are failed; returns how many."""
        return await self._rows.run("abandon_jobs", silent_since, now)

    async def reject(self, job_id: UUID, rejects: Sequence[KeptReject]) -> None:
        """Keep rejected rows."""
        columns = ("job_id", "row", "problem", "column_name", "code", "details", "cells_kid", "cells")
        await self._rows.copy(
            "import_reject",
            columns,
            [(job_id, r.row, r.problem, r.column, r.code, dict(r.details), r.cells.kid, r.cells.data) for r in rejects],
        )

    async def rejects(self, job_id: UUID, after: tuple[int, int], limit: int) -> Sequence[KeptReject]:
        """Rejects in order of rows, after (row, problem)."""
        return [
            KeptReject(
                row=row["row"],
                problem=row["problem"],
                column=row["column_name"],
                code=row["code"],
                details=row["details"],
                cells=Box(row["cells_kid"], row["cells"]),
            )
            for row in await self._rows.all("rejects", job_id, *after, limit)
        ]

    async def reject_counts(self, job_id: UUID) -> Mapping[str, int]:
        """How many rejects of each code, the most frequent first."""
        return {row["code"]: row["rows"] for row in await self._rows.all("reject_counts", job_id)}

    async def known_units(self, organisation_id: UUID, codes: Collection[str], job: Job) -> dict[str, KnownUnit]:
        """Units by code. Others wait until this transaction ends before they import units."""
        await self._rows.run("import_lock", organisation_id)
        return {
            row["code"]: KnownUnit(
                id=row["id"],
                level=row["level"],
                names=(row["name_hi"], row["name_en"]),
                above=tuple(row["above"]),
                from_this_file=row["created_at"] == job.created_at,
            )
            for row in await self._rows.all("known_codes", organisation_id, list(codes))
        }

    async def add_units(self, organisation_id: UUID, job: Job, chunk: UnitChunk) -> None:
        """Write what the chunk adds and renames."""
        added, now = chunk.added, job.created_at
        await self._rows.copy(
            "unit",
            ("id", "organisation_id", "level", "code", "number", "position", "name_hi", "name_en", "created_at"),
            [_unit(organisation_id, new, now) for new in added],
        )
        await self._rows.copy(
            "placement",
            ("organisation_id", "unit_id", "parent_id", "valid_from"),
            [(organisation_id, new.known.id, (*new.known.above, None)[1], now) for new in added],
        )
        await self._rows.copy(
            "lineage",
            ("unit_id", "above_id", "distance"),
            [(new.known.id, above, distance) for new in added for distance, above in enumerate(new.known.above)],
        )
        await self._rows.many(
            "rename_unit", [(unit, step.name_hi, step.name_en, step.number) for unit, step in chunk.renamed]
        )


def _unit(organisation_id: UUID, new: NewUnit, now: datetime) -> tuple[object, ...]:
    step = new.step
    return (
        new.known.id, organisation_id, step.level, step.code, step.number, step.position, step.name_hi, step.name_en,
        now,
    )  # fmt: skip


def _job(row: Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        preset=row["preset"],
        state=row["state"],
        problem=row["problem"],
        problem_details=row["problem_details"],
        encoding=row["encoding"],
        columns=row["columns"],
        total_bytes=row["total_bytes"],
        counts=Counts(row["bytes"], row["rows"], row["accepted"], row["unchanged"], row["rejected"]),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
