"""What the pages show, read in one snapshot: the same contexts draw a page and its live fragments."""

import gettext as catalogues
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from services.registry.api.portal import words
from services.registry.api.portal.committee import SeatView, committee, status_of
from services.registry.domain.failures import NoSuchUnit
from services.registry.domain.portal import CountsRow, CoverageRow
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import Unit
from services.registry.store.portal import Snapshot
from shared.events import Label
from shared.i18n import ist_time

PAGE_ROWS = 50
"""Units on one page of the coverage."""

Context = dict[str, Any]


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit in a heading, with where it lies."""

    id: UUID
    code: str
    label: Label
    above: Sequence[Unit] = ()
    has_committee: bool = False


@dataclass(frozen=True, slots=True)
class RowView:
    """A unit in a table of coverage: a strip of seats for a committee, a bar for what lies above committees."""

    anchor: str
    path: str
    label: Label
    counts: CountsRow
    seats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageOf:
    """Where a page of rows stands among all."""

    first: int
    last: int
    total: int
    previous: str | None
    next: str | None


async def find_unit(snapshot: Snapshot, principal: Principal, code: str) -> UnitView:
    """The unit, if this person may see it. Raises NoSuchUnit: also for what lies outside, which nobody may probe."""
    found = await snapshot.unit(principal.organisation_id, code, principal.unit_id)
    if found is None:
        raise NoSuchUnit(unit=code[:60])
    unit, has_committee = found
    return UnitView(unit.id, unit.code, unit.label, await snapshot.above(unit.id, principal.unit_id), has_committee)


async def committee_context(
    snapshot: Snapshot, unit_id: UUID, catalogue: catalogues.NullTranslations, language: str
) -> Context:
    """Seats, figures and what is missing."""
    unit = await snapshot.unit_by_id(unit_id)
    rows = await snapshot.seats([unit_id])
    view = committee(unit, rows, await snapshot.women_minimum(unit_id), catalogue, language)
    return {"committee": view}


async def coverage_context(
    snapshot: Snapshot, organisation_id: UUID, parent: UUID | None, offset: int, limit: int
) -> Context:
    """Rows and sums of the units directly below `parent`."""
    coverage = await snapshot.coverage(organisation_id, parent, limit, offset)
    leaves = [row.unit.id for row in coverage.rows if row.leaf and row.has_committee]
    strips: dict[UUID, list[str]] = {}
    for seat in await snapshot.seats(leaves) if leaves else ():
        strips.setdefault(seat.unit_id, []).append(status_of(seat))
    return {
        "rows": [_row(row, tuple(strips.get(row.unit.id, ()))) for row in coverage.rows],
        "totals": coverage.sums,
        "count": coverage.total,
    }


def _row(row: CoverageRow, seats: tuple[str, ...]) -> RowView:
    path = words.unit_path(row.unit) if seats else words.coverage_path(row.unit)
    return RowView(f"row-{row.unit.id}", path, row.unit.label, row.counts, seats)


def page_of(path: str, number: int, shown: int, total: int) -> PageOf:
    """The page `number` (from 1) of `path`, which shows `shown` of `total` rows."""
    first = (number - 1) * PAGE_ROWS + 1 if shown else 0
    last = first + shown - 1 if shown else 0
    return PageOf(
        first,
        last,
        total,
        f"{path}?page={number - 1}" if number > 1 else None,
        f"{path}?page={number + 1}" if last < total else None,
    )


def rights(principal: Principal) -> Context:
    """What this person may do, for templates."""
    return {"may_record": principal.may(Permission.RECORD), "may_import": principal.may(Permission.IMPORT)}


def live_url(after: object, **topic: str) -> str:
    """The stream of a page, from the cursor that it was drawn at."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in topic.items())
    return f"/live?{query}&after={after}"


def as_of(now: datetime, catalogue: catalogues.NullTranslations, language: str) -> str:
    """The status line of a page that was just drawn."""
    return catalogue.gettext("as of %(time)s") % {"time": ist_time(now, language)}


def what_changed(
    seats: Sequence[SeatView], count: int, now: datetime, catalogue: catalogues.NullTranslations, language: str
) -> str:
    """One sentence about `count` changed seats of a committee; `seats` are those of the last change."""
    if not seats:
        return _changed(count, now, catalogue, language)
    last = seats[-1]
    fill: Mapping[str, object] = {
        "num": count,
        "seat": last.number,
        "name": last.person.text(language) if last.person else catalogue.gettext("nobody"),
        "status": words.status_word(last.status, catalogue.gettext),
        "time": ist_time(now, language),
    }
    if count == 1:
        return catalogue.gettext("seat %(seat)s changed: %(name)s, %(status)s, %(time)s") % fill
    return catalogue.gettext("%(num)s changes, the last in seat %(seat)s: %(name)s, %(status)s, %(time)s") % fill


def _changed(count: int, now: datetime, catalogue: catalogues.NullTranslations, language: str) -> str:
    text = catalogue.ngettext("%(num)s change, %(time)s", "%(num)s changes, the last %(time)s", count)
    return text % {"num": count, "time": ist_time(now, language)}


def changed_line(count: int, now: datetime, catalogue: catalogues.NullTranslations, language: str) -> str:
    """One sentence about `count` changes, without saying where."""
    return _changed(count, now, catalogue, language)
