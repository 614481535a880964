"""Counts of committees are kept by the database: whatever happens, and whoever writes at the same time."""

import asyncio
from collections.abc import Sequence
from random import Random  # noqa: TID251  # a seeded course of events
from typing import Literal
from uuid import UUID

from services.registry.api.portal.committee import status_of
from services.registry.domain.names import Name
from services.registry.domain.portal import CountsRow, SeatRow
from services.registry.store.portal import PortalReads
from shared.errors import Failure
from tests.integration.registry_portal.world import World

Act = Literal["record", "end", "verified", "refused", "expired"]
ACTS: list[Act] = ["record", "record", "verified", "refused", "expired", "end"]
POSTS = ["president", "secretary", "bla2", "member", "member", "member"]


def counts(rows: Sequence[SeatRow]) -> CountsRow:
    """The counts of one committee, as coverage rows have them."""
    statuses = [status_of(row) for row in rows]
    return CountsRow(
        size=len(rows),
        verified=statuses.count("verified"),
        waiting=sum(status in {"recorded", "sent", "delivered", "failed"} for status in statuses),
        refused=sum(status in {"refused", "locked", "expired"} for status in statuses),
    )


async def coverage(world: World, parent: str) -> CountsRow:
    """Sums of everything below `parent`."""
    (row,) = await world.rows("SELECT id FROM unit WHERE code = $1", parent)
    async with PortalReads(world.database).snapshot() as snapshot:
        return (await snapshot.coverage(world.settings.organisation_id, row["id"], 50, 0)).sums


async def test_counts_are_those_of_the_seats_after_any_course_of_events(world: World) -> None:
    chance = Random(7)  # noqa: S311  # see above
    made: list[UUID] = []
    made.append(await world.record("155-1", "president", Name(None, "Anita"), "female"))
    for _ in range(60):
        act = chance.choice(ACTS)
        try:
            if act == "end":
                await world.end(chance.choice(made))
            elif act == "record":
                unit = chance.choice(["155-1", "155-2"])
                made.append(await world.record(unit, chance.choice(POSTS), Name(None, "Anita"), "female"))
            else:
                await world.hear(chance.choice(made), act)
        except Failure:  # a taken seat, something ended: nothing changes
            continue
    units = [row["id"] for row in await world.rows("SELECT id FROM unit WHERE level = 'booth'")]
    async with PortalReads(world.database).snapshot() as snapshot:
        seats = await snapshot.seats(units)
    total = counts(seats)
    kept = await coverage(world, "ac-155")
    assert (kept.size, kept.verified, kept.waiting, kept.refused) == (
        total.size, total.verified, total.waiting, total.refused,
    )  # fmt: skip
    assert kept.verified > 0
    assert kept.refused > 0
    women = await world.rows("SELECT sum(women) AS women FROM committee_count")
    assert women[0]["women"] == kept.verified


async def test_two_writers_on_one_committee_are_both_counted(world: World) -> None:
    await asyncio.gather(*(world.record("155-1", post, Name(None, "Anita")) for post in POSTS))
    kept = await coverage(world, "ac-155")
    assert (kept.size, kept.waiting) == (48, 6)


async def test_a_committee_is_complete_with_every_seat_and_three_women(world: World) -> None:
    posts = ["president", "secretary", "bla2", "whatsapp", "mkb", "labharthi", "panna", *["member"] * 5]
    made = [
        await world.record("155-1", post, Name(None, "Anita"), "female" if number < 2 else None)
        for number, post in enumerate(posts)
    ]
    for appointment in made:
        await world.hear(appointment, "verified")
    assert (await coverage(world, "ac-155")).complete == 0
    await world.rows(
        "UPDATE person SET gender = 'female' WHERE id = (SELECT person_id FROM appointment WHERE id = $1) RETURNING id",
        made[5],
    )
    assert (await coverage(world, "ac-155")).complete == 1


async def test_worst_units_come_first(world: World) -> None:
    for booth, verified in (("155-1", 2), ("155-2", 1)):
        for post in POSTS[:verified]:
            await world.hear(await world.record(booth, post, Name(None, "Anita")), "verified")
    (row,) = await world.rows("SELECT id FROM unit WHERE code = 'ac-155'")
    async with PortalReads(world.database).snapshot() as snapshot:
        found = await snapshot.coverage(world.settings.organisation_id, row["id"], 50, 0)
        second = await snapshot.coverage(world.settings.organisation_id, row["id"], 2, 2)
    assert [line.unit.code for line in found.rows] == ["155-3", "155-4A", "155-2", "155-1"]
    assert ([line.unit.code for line in second.rows], second.total) == (["155-2", "155-1"], 4)
    assert second.sums == found.sums
