"""Steps that are asked for together: one round trip, each its own script."""

import asyncio
from typing import Any

import pytest

from services.otp.domain.challenge import StepFailed
from shared.events import ChallengeOpened
from tests.integration.otp.world import World, only

MANY = 40


async def test_many_at_once_share_round_trips_and_each_is_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pipelines, make = [], world.valkey.pipeline

    def counted(**options: Any) -> Any:
        pipelines.append(make(**options))
        return pipelines[-1]

    monkeypatch.setattr(world.valkey, "pipeline", counted)
    recorded = [world.recorded(phone=f"+91555{number:07}") for number in range(MANY)]
    assert await asyncio.gather(*(world.otp.open(each, world.now) for each in recorded)) == ["opened"] * MANY
    assert len(pipelines) == 1
    assert len(only(await world.published(), ChallengeOpened)) == MANY


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
