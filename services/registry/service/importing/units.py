"""Importing units: a chunk of rows is one transaction."""

from collections.abc import Sequence

from services.registry.domain.failures import EmptyFile
from services.registry.domain.importing import Counts, UnitChunk
from services.registry.domain.ports import Work
from services.registry.domain.preset import Preset
from services.registry.domain.sheet import Header, Reject, Row, UnitRow, check_unit_columns, unit_row
from services.registry.service.importing.keeping import Keeper, Running, Tally
from shared.errors import Failure

AT_ONCE = 1000
"""Rows in one transaction."""


async def import_units(running: Running, preset: Preset, keeper: Keeper) -> None:
    """Take every row. Raises what fails the file as a whole, or DatabaseUnavailable."""
    header = await keeper.header(running, lambda header: check_unit_columns(header, preset))
    counts = Counts()
    while rows := await running.upload.rows(AT_ONCE):
        wanted, rejects = _parse(header, rows, preset)

        async def take(
            work: Work,
            wanted: Sequence[tuple[Row, UnitRow]] = wanted,
            rejects: Sequence[Reject] = rejects,
            before: Counts = counts,
        ) -> Counts:
            chunk = await _place(work, running, wanted)
            tally = Tally(chunk.accepted, chunk.unchanged, [*rejects, *chunk.rejects])
            return await keeper.keep(work, running, before, tally)

        counts = await keeper.patiently(take)
    if not counts.rows:
        raise EmptyFile


async def _place(work: Work, running: Running, wanted: Sequence[tuple[Row, UnitRow]]) -> UnitChunk:
    codes = {step.code for _, unit in wanted for step in unit.steps}
    codes |= {unit.parent for _, unit in wanted if unit.parent}
    organisation = running.principal.organisation_id
    chunk = UnitChunk(await work.imports.known_units(organisation, codes, running.job))
    for row, unit in wanted:
        chunk.take(row, unit)
    await work.imports.add_units(organisation, running.job, chunk)
    return chunk


def _parse(header: Header, rows: Sequence[Row], preset: Preset) -> tuple[list[tuple[Row, UnitRow]], list[Reject]]:
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
