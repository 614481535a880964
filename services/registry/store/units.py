"""Organisation, catalogue, tree, channels."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.registry.domain.commands import UnitQuery
from services.registry.domain.names import Name
from services.registry.domain.preset import Preset
from services.registry.domain.records import Channel, Organisation, Post, Seat, Unit, UnitLine
from services.registry.domain.states import State
from services.registry.store.database import Row, Rows
from shared.events import Label


class UnitRows:
    """Implements `domain.ports.Units`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows

    async def organisation(self, organisation_id: UUID) -> Organisation:
        """The organisation. Raises LookupError: `bootstrap` was not run."""
        row = await self._rows.one("organisation", organisation_id)
        if row is None:
            raise LookupError("the organisation is missing: run bootstrap")
        return Organisation(row["id"], _label(row), row["language"], row["preset"])

    async def install(self, organisation_id: UUID, preset: Preset, now: datetime) -> None:
        """Create organisation, levels, posts and rules of `preset` where they are missing."""
        name = preset.organisation
        await self._rows.run("add_organisation", organisation_id, preset.code, name.hi, name.en, preset.language, now)
        levels = [(organisation_id, v.code, rank, v.name.hi, v.name.en) for rank, v in enumerate(preset.levels, 1)]
        await self._rows.many("add_level", levels)
        posts = [
            (organisation_id, post.level, post.code, post.name.hi, post.name.en, post.seats, position)
            for position, post in enumerate(preset.posts, 1)
        ]
        await self._rows.many("add_post", posts)
        await self._rows.many("add_rule", [(organisation_id, r.level, r.kind, r.minimum) for r in preset.rules])

    async def by_code(self, organisation_id: UUID, code: str) -> Unit | None:
        """The unit with this code."""
        row = await self._rows.one("unit_by_code", organisation_id, code.strip())
        return unit_of(row) if row else None

    async def by_id(self, unit_id: UUID) -> Unit:
        """The unit. Raises LookupError."""
        row = await self._rows.one("unit_by_id", unit_id)
        if row is None:
            raise LookupError("no such unit")
        return unit_of(row)

    async def within(self, unit_id: UUID, scope: UUID) -> bool:
        """Whether the unit is `scope` or below it."""
        return bool(await self._rows.value("within", unit_id, scope))

    async def levels(self, organisation_id: UUID) -> Sequence[str]:
        """Codes of the levels from the top."""
        return [row["code"] for row in await self._rows.all("levels", organisation_id)]

    async def posts(self, organisation_id: UUID, level: str) -> Sequence[Post]:
        """The level's posts in order."""
        rows = await self._rows.all("posts", organisation_id, level)
        return [Post(row["level"], row["code"], _label(row), row["seats"]) for row in rows]

    async def women_minimum(self, organisation_id: UUID, level: str) -> int | None:
        """Women that a committee of this level needs."""
        minimum: int | None = await self._rows.value("rule", organisation_id, level, "women")
        return minimum

    async def seats(self, unit_id: UUID) -> Sequence[Seat]:
        """The held seats."""
        return [
            Seat(
                post=row["post"],
                ordinal=row["seat"],
                appointment_id=row["id"],
                state=State(row["state"]),
                state_at=row["state_at"],
                gender=row["gender"],
                name=Name(row["name_hi"], row["name_en"]),
            )
            for row in await self._rows.all("seats", unit_id)
        ]

    async def search(self, organisation_id: UUID, query: UnitQuery, scope: UUID | None) -> Sequence[UnitLine]:
        """Units by code."""
        start = query.code.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%" if query.code else None
        rows = await self._rows.all(
            "search_units", organisation_id, start, query.parent, query.level, query.after, query.limit, scope
        )
        return [UnitLine(unit_of(r), r["parent_code"], r["seats"], r["held"], r["verified"]) for r in rows]

    async def set_channel(self, organisation_id: UUID, unit_id: UUID, chat_id: int | None, now: datetime) -> None:
        """Set or, with None, forget the unit's Telegram channel."""
        if chat_id is None:
            await self._rows.run("forget_channel", unit_id)
        else:
            await self._rows.run("set_channel", unit_id, organisation_id, chat_id, now)

    async def nearest_channel(self, unit_id: UUID) -> Channel | None:
        """The unit's channel, else the one of the nearest unit above."""
        row = await self._rows.one("nearest_channel", unit_id)
        return Channel(row["unit_id"], row["chat_id"]) if row else None


def unit_of(row: Row) -> Unit:
    """The unit of a row of `unit_by_code` or its kin."""
    level = Label(hi=row["level_hi"], en=row["level_en"])
    unit = Unit(row["id"], row["level"], level, row["code"], row["number"], row["name_hi"], row["name_en"])
    if not (row["parent_number"] or row["parent_hi"] or row["parent_en"]):
        return unit
    parent_level = Label(hi=row["parent_level_hi"], en=row["parent_level_en"])
    parent = Unit(unit.id, "", parent_level, "", row["parent_number"], row["parent_hi"], row["parent_en"])
    return Unit(unit.id, unit.level, level, unit.code, unit.number, unit.name_hi, unit.name_en, within=parent.label)


def _label(row: Row) -> Label:
    return Label(hi=row["name_hi"], en=row["name_en"])
