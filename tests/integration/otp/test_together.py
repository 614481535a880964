"""Steps that are asked for together: one round trip, each its own script."""

import asyncio
from typing import Any

from services.otp.domain.challenge import StepFailed
from shared.events import ChallengeOpened
from tests.integration.otp.world import World, only

MANY = 40


async def reads(world: World) -> int:
    """How often the server read from connections: a pipeline is read at once, or nearly so."""
    stats: dict[str, Any] = await world.valkey.info("stats")
    return int(stats["total_reads_processed"])


async def test_many_at_once_share_round_trips_and_each_is_done(world: World) -> None:
    await world.otp.open(world.recorded(phone="+915550000001"), world.now)
    before = await reads(world)
    recorded = [world.recorded(phone=f"+91555{number:07}") for number in range(100, 100 + MANY)]
    assert await asyncio.gather(*(world.otp.open(each, world.now) for each in recorded)) == ["opened"] * MANY
    assert await reads(world) - before < MANY / 2
    assert len(only(await world.published(), ChallengeOpened)) == MANY + 1


async def test_one_that_fails_leaves_the_others_alone(world: World) -> None:
    results = await asyncio.gather(
        world.otp.open(world.recorded(phone="+915550000001"), world.now),
        world.scripts.run("close", world.now),  # without its arguments
        world.otp.open(world.recorded(phone="+915550000002"), world.now),
        return_exceptions=True,
    )
    assert [results[0], results[2]] == ["opened", "opened"]
    assert isinstance(results[1], StepFailed)


async def test_a_server_that_forgot_its_scripts_is_taught_them(world: World) -> None:
    await world.otp.open(world.recorded(phone="+915550000001"), world.now)
    await world.valkey.script_flush()
    recorded = [world.recorded(phone=f"+91555{number:07}") for number in range(100, 103)]
    assert await asyncio.gather(*(world.otp.open(each, world.now) for each in recorded)) == ["opened"] * 3
