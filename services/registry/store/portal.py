"""The portal's reads: each page is a few statements in one snapshot, together with the cursor of the changes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from services.registry.domain.portal import START, Change, CountsRow, Course, Coverage, CoverageRow, Cursor, SeatRow
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import Post, TimelineEntry, Unit
from services.registry.domain.states import State
from services.registry.store.database import Database, Row, Rows
from shared.events import Label


class PortalReads:
    """Snapshots of the database. Nothing here writes."""

    def __init__(self, database: Database) -> None:
        """`database` knows `sql/portal.sql`."""
        self._database = database

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Snapshot"]:
        """Everything read in the block is as of one moment. Raises DatabaseUnavailable."""
        async with self._database.snapshot() as rows:
            yield Snapshot(rows)

    async def changes(self, after: Cursor, limit: int) -> Sequence[Change]:
        """Changes after `after`, in order, none of which an earlier transaction can still precede."""
        async with self._database.snapshot() as rows:
            found = await rows.all("portal_changes", str(after.tx), after.id, limit)
        return [
            Change(
                cursor=Cursor(int(row["tx"]), row["id"]),
                organisation_id=row["organisation_id"],
                unit_id=row["unit_id"],
                appointment_id=row["appointment_id"],
                kind=row["kind"],
                at=row["at"],
                traceparent=row["traceparent"],
            )
            for row in found
        ]

    async def newest(self) -> Cursor:
        """The newest change of all organisations; START when there is none."""
        async with self._database.snapshot() as rows:
            return _cursor(await rows.one("portal_newest_change"))

    async def oldest(self) -> Cursor:
        """The oldest change that is kept; START when there is none."""
        async with self._database.snapshot() as rows:
            return _cursor(await rows.one("portal_oldest_change"))

    async def principal(self, session: bytes, now: datetime) -> Principal | None:
        """Whose session (by hash) this is; None when it is over. Asking does not prolong it."""
        async with self._database.snapshot() as rows:
            row = await rows.one("portal_session", session, now)
        if row is None:
            return None
        permissions = frozenset(Permission(name) for name in row["permissions"])
        return Principal(row["id"], row["organisation_id"], row["name"], permissions, row["unit_id"])

    async def alive(self, sessions: Sequence[bytes], now: datetime) -> frozenset[bytes]:
        """Of these sessions (by hash) those that are alive. Asking does not prolong them."""
        async with self._database.snapshot() as rows:
            return frozenset(row["token_hash"] for row in await rows.all("portal_sessions_alive", list(sessions), now))

    async def ancestry(self, unit_ids: Sequence[UUID]) -> Mapping[UUID, frozenset[UUID]]:
        """Each of these units with itself and all units above it."""
        above: dict[UUID, set[UUID]] = {}
        async with self._database.snapshot() as rows:
            for row in await rows.all("portal_ancestry", list(unit_ids)):
                above.setdefault(row["unit_id"], set()).add(row["above_id"])
        return {unit: frozenset(ids) for unit, ids in above.items()}


class Snapshot:
    """Reads of one transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def cursor(self) -> Cursor:
        """The changes that this snapshot contains for certain: later ones are to be replayed on top of it."""
        return _cursor(await self._rows.one("portal_newest_change"))

    async def organisation(self, organisation_id: UUID) -> Label:
        """Its name. Raises LookupError."""
        row = await self._rows.one("portal_organisation", organisation_id)
        if row is None:
            raise LookupError
        return Label(hi=row["name_hi"], en=row["name_en"])

    async def only_root(self, organisation_id: UUID, scope: UUID | None) -> str | None:
        """Code of `scope`, else of the only unit without a parent; None where there are several or none."""
        rows = await self._rows.all("portal_roots", organisation_id, scope)
        return rows[0]["code"] if len(rows) == 1 else None

    async def unit(self, organisation_id: UUID, code: str, scope: UUID | None) -> tuple[Unit, bool] | None:
        """The unit of this code and whether it has a committee; None: there is none, or it is outside `scope`."""
        row = await self._rows.one("portal_unit", organisation_id, code, scope)
        return (_unit(row), row["has_committee"]) if row else None

    async def unit_by_id(self, unit_id: UUID) -> Unit:
        """The unit. Raises LookupError."""
        row = await self._rows.one("portal_unit_by_id", unit_id)
        if row is None:
            raise LookupError
        return _unit(row)

    async def above(self, unit_id: UUID, scope: UUID | None) -> Sequence[Unit]:
        """The units above, from the top, inside `scope`."""
        return [_unit(row) for row in await self._rows.all("portal_above", unit_id, scope)]

    async def seats(self, unit_ids: Sequence[UUID]) -> Sequence[SeatRow]:
        """Every seat of these units, in the fixed order of the catalogue."""
        return [_seat(row) for row in await self._rows.all("portal_seats", list(unit_ids))]

    async def women_minimum(self, unit_id: UUID) -> int | None:
        """Women that the unit's committee needs."""
        minimum: int | None = await self._rows.value("portal_women_minimum", unit_id)
        return minimum

    async def coverage(self, organisation_id: UUID, parent: UUID | None, limit: int, offset: int) -> Coverage:
        """The units directly below `parent` (None: those without one), worst first."""
        rows = await self._rows.all("portal_coverage", organisation_id, parent, limit, offset)
        if not rows:
            return Coverage((), 0, CountsRow())
        return Coverage([_coverage(row) for row in rows], rows[0]["total"], _counts(rows[0], "all_"))

    async def seats_of(self, appointment_ids: Sequence[UUID]) -> frozenset[tuple[str, int]]:
        """Post and ordinal of these appointments."""
        rows = await self._rows.all("portal_seats_of", list(appointment_ids))
        return frozenset((row["post"], row["seat"]) for row in rows)

    async def towards(self, unit_ids: Sequence[UUID], parent: UUID | None) -> Sequence[UUID]:
        """The children of `parent` that these units lie under (or are)."""
        rows = await self._rows.all("portal_towards", list(unit_ids), parent)
        return [row["child"] for row in rows]

    async def post(self, organisation_id: UUID, level: str, code: str) -> Post | None:
        """A post of a level."""
        row = await self._rows.one("portal_post", organisation_id, level, code)
        return Post(level, row["code"], Label(hi=row["name_hi"], en=row["name_en"]), row["seats"]) if row else None

    async def course(self, organisation_id: UUID, appointment_id: UUID, scope: UUID | None) -> Course | None:
        """An appointment; None: there is none, or its unit is outside `scope`."""
        row = await self._rows.one("portal_appointment", appointment_id, organisation_id, scope)
        return _course(row) if row else None

    async def may_see_import(self, principal: Principal, job_id: UUID) -> bool:
        """Whether there is such an import, and this principal may see it."""
        return bool(await self._rows.value("portal_import", principal.organisation_id, job_id, principal.only_own))

    async def timeline(self, appointment_id: UUID) -> Sequence[TimelineEntry]:
        """What happened to an appointment, oldest first."""
        rows = await self._rows.all("portal_timeline", appointment_id)
        return [TimelineEntry(row["kind"], row["at"], row["cycle"], row["details"]) for row in rows]


def _cursor(row: Row | None) -> Cursor:
    return Cursor(int(row["tx"]), row["id"]) if row else START


def _label(row: Row, prefix: str) -> Label:
    return Label(hi=row[f"{prefix}_hi"], en=row[f"{prefix}_en"])


def _unit(row: Row) -> Unit:
    return Unit(
        id=row["id"],
        level=row["level"],
        level_label=_label(row, "level"),
        code=row["code"],
        number=row["number"],
        name_hi=row["name_hi"],
        name_en=row["name_en"],
    )


def _person(row: Row) -> Label | None:
    return _label(row, "person") if row["person_hi"] or row["person_en"] else None


def _seat(row: Row) -> SeatRow:
    return SeatRow(
        unit_id=row["unit_id"],
        post=row["post"],
        post_label=_label(row, "post"),
        of=row["of_seats"],
        ordinal=row["ordinal"],
        appointment_id=row["appointment_id"],
        state=State(row["state"]) if row["state"] else None,
        state_at=row["state_at"],
        mode=row["mode"],
        person=_person(row),
        gender=row["gender"],
        delivery=row["delivery"],
        reason=row["reason"],
        delivery_at=row["delivery_at"],
    )


def _counts(row: Row, prefix: str = "") -> CountsRow:
    return CountsRow(
        size=row[f"{prefix}size"],
        verified=row[f"{prefix}verified"],
        waiting=row[f"{prefix}waiting"],
        refused=row[f"{prefix}refused"],
        committees=row[f"{prefix}committees"],
        complete=row[f"{prefix}complete"],
    )


def _coverage(row: Row) -> CoverageRow:
    return CoverageRow(_unit(row), row["has_committee"], row["leaf"], _counts(row))


def _course(row: Row) -> Course:
    return Course(
        id=row["appointment_id"],
        unit=_unit(row),
        post=row["post"],
        post_label=_label(row, "post"),
        of=row["of_seats"],
        seat=row["seat"],
        person=_person(row),
        phone_last3=row["phone_last3"],
        state=State(row["state"]),
        state_at=row["state_at"],
        cycle=row["cycle"],
        version=row["version"],
        mode=row["mode"],
        language=row["language"],
        recorder=row["recorder"],
        recorded_at=row["recorded_at"],
        not_after=row["not_after"],
        verified_at=row["verified_at"],
        name_consent=row["name_consent"] is not None,
        notice_version=row["notice_version"],
        notice_language=row["notice_language"],
        ended_reason=row["ended_reason"],
        seat_held=row["seat_held"],
    )
