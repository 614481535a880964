"""Reading rejected rows back, for the file that is corrected and uploaded again."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.registry.domain.failures import ROW_FAILURES
from services.registry.domain.importing import Job, KeptReject
from services.registry.domain.ports import Store
from services.registry.domain.sheet import ADDED
from services.registry.domain.vault import Vault
from shared.errors import Failure

_PAGE = 500


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of a reject file: as uploaded, with what is wrong."""

    number: int
    cells: Sequence[str] = field(repr=False)
    problems: Sequence[Failure]


def reject_columns(job: Job) -> Sequence[str]:
    """The columns of the job's reject file: those of the upload."""
    return [column for column in job.columns or () if column not in ADDED]


async def read_rejects(store: Store, vault: Vault, job: Job) -> AsyncIterator[RejectedRow]:
    """Rejected rows in order, a page at a time."""
    kept = [number for number, column in enumerate(job.columns or ()) if column not in ADDED]
    after, open_row = (0, -1), None
    while True:
        async with store.transaction() as work:
            page = await work.imports.rejects(job.id, after, _PAGE)
        for reject in page:
            problem = _failure(reject)
            if open_row is not None and open_row.number == reject.row:
                open_row = replace(open_row, problems=[*open_row.problems, problem])
                continue
            if open_row is not None:
                yield open_row
            cells = json.loads(vault.unlock(reject.cells))
            open_row = RejectedRow(reject.row, _columns(cells, kept), [problem])
        if len(page) < _PAGE:
            break
        after = (page[-1].row, page[-1].problem)
    if open_row is not None:
        yield open_row


def _columns(cells: Sequence[str], kept: Sequence[int]) -> list[str]:
    """The row's cells without those of an earlier reject file; a row that was too wide keeps what is too much."""
    width = max(kept, default=-1) + 1
    return [cells[number] if number < len(cells) else "" for number in kept] + list(cells[width:])


def _failure(reject: KeptReject) -> Failure:
    made = ROW_FAILURES[reject.code]
    details: dict[str, Any] = dict(reject.details)
    return made(field=reject.column, **details)
