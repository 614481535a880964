"""What every import keeps while it runs: its header, its progress, its rejects."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from services.registry.domain.failures import DatabaseUnavailable
from services.registry.domain.importing import Counts, Job, KeptReject
from services.registry.domain.ports import Store, Upload, Work
from services.registry.domain.preset import Preset
from services.registry.domain.principal import Principal
from services.registry.domain.sheet import Header, Reject
from services.registry.domain.vault import Vault
from shared.clock import Clock

T = TypeVar("T")

PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts while the database is away."""


@dataclass(frozen=True, slots=True)
class Running:
    """A job under way."""

    principal: Principal
    job: Job
    preset: Preset | None
    upload: Upload


@dataclass
class Tally:
    """What became of a chunk."""

    accepted: int = 0
    unchanged: int = 0
    rejects: list[Reject] = field(default_factory=list)


class Keeper:
    """Keeps jobs."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        """`vault` keeps rejected rows; the clock is read for every chunk, since an import takes long."""
        self._store = store
        self._vault = vault
        self.clock = clock

    async def header(self, running: Running, check: Callable[[Header], None]) -> Header:
        """The file's header, kept with the job. Raises what reading and `check` raise: what is no header is not kept,
        it may be somebody's name and phone."""
        header = await running.upload.header()
        check(header)

        async def keep(work: Work) -> None:
            await work.imports.read_as(running.job.id, header)

        await self.patiently(keep)
        return header

    async def keep(self, work: Work, running: Running, before: Counts, tally: Tally) -> Counts:
        """Keep rejects and progress of a chunk, in the transaction of what it wrote; the counts so far."""
        counts = replace(
            before,
            bytes=running.upload.position,
            rows=before.rows + tally.accepted + tally.unchanged + len(tally.rejects),
            accepted=before.accepted + tally.accepted,
            unchanged=before.unchanged + tally.unchanged,
            rejected=before.rejected + len(tally.rejects),
        )
        await work.imports.reject(running.job.id, [kept for reject in tally.rejects for kept in self._kept(reject)])
        await work.imports.progress(running.job.id, counts, self.clock())
        if tally.accepted:
            await work.appointments.changed(running.principal.organisation_id, None, "import", self.clock())
        return counts

    def _kept(self, reject: Reject) -> list[KeptReject]:
        cells = self._vault.lock(json.dumps(list(reject.row.cells), ensure_ascii=False))
        return [
            KeptReject(reject.row.number, number, failure.field, failure.code, failure.details, cells)
            for number, failure in enumerate(reject.problems)
        ]

    async def patiently(self, act: Callable[[Work], Awaitable[T]]) -> T:
        """`act` in a transaction, again while the database is away. Raises DatabaseUnavailable in the end."""
        for pause in PATIENCE:
            try:
                async with self._store.transaction() as work:
                    return await act(work)
            except DatabaseUnavailable:
                await asyncio.sleep(pause)
        async with self._store.transaction() as work:
            return await act(work)
