"""Pacing: never more than the limit in any sliding second, whoever asks, and codes go before announcements."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random  # noqa: TID251 # a seeded simulation

import pytest
from redis.asyncio import Redis

from services.notifier.store.pacing import Limit, Pacing
from shared.events import Lane
from shared.valkey import ValkeyUnavailable
from tests.integration.notifier.engine import Hand

ROOT = Path(__file__).parents[3]
HAMMER = """
import asyncio, sys
from redis.asyncio import Redis
from services.notifier.store.pacing import Limit, Pacing
from shared.clock import utc_now
from shared.events import Lane

async def main(url, places):
    granted = 0
    async with Redis.from_url(url) as valkey:
        pacing = Pacing(valkey, {"c": Limit(30, 5)}, utc_now)
        async def ask(lane):
            nonlocal granted
            while granted < places:
                if not await pacing.acquire("c", None, lane, at_most=1.0):
                    granted += 1
        await asyncio.gather(*(ask(lane) for lane in (Lane.URGENT, Lane.BULK) for _ in range(8)))
    print(granted)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_url) as client:
        yield client


def most_in_a_window(moments: list[float], window: float) -> int:
    """The largest number of moments in any half-open window of that length."""
    ordered, most, first = sorted(moments), 0, 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - window:
            first += 1
        most = max(most, last - first + 1)
    return most


async def test_two_processes_together_stay_under_the_limit_in_every_sliding_second(
    valkey: Redis, valkey_url: str
) -> None:
    command = [sys.executable, "-c", HAMMER, valkey_url, "60"]
    children = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(child.communicate(b"go\n") for child in children))
    assert all(child.returncode == 0 for child in children)
    # The log in Valkey has every grant by the clock of whoever got it.
    log = [int(moment) / 1000 for moment in await valkey.lrange("pace:{c}:all", 0, -1)]
    assert len(log) == sum(int(output) for output, _ in outputs)
    assert len(log) >= 120
    assert most_in_a_window(log, 1.0) <= 30


@pytest.mark.parametrize("seed", range(5))
async def test_no_schedule_of_callers_with_different_clocks_exceeds_the_limit(valkey: Redis, seed: int) -> None:
    random = Random(seed)  # noqa: S311 # a simulation
    slow, fast = Hand(), Hand()
    skew = random.uniform(0, 0.4)
    fast.move(skew)
    pacings = [Pacing(valkey, {"c": Limit(10, 3)}, clock) for clock in (slow, fast)]
    granted: list[float] = []
    for _ in range(400):
        step = random.choice([0, 0.001, 0.01, 0.05])
        slow.move(step)
        fast.move(step)
        pacing = random.choice(pacings)
        lane = random.choice([Lane.URGENT, Lane.BULK])
        if not await pacing.acquire("c", None, lane, at_most=0.0):
            granted.append(slow().timestamp())
    # The fast clock is believed from the first time it is heard: once, a second is shorter by the difference.
    assert most_in_a_window(granted, 1.0 - skew) <= 10
    assert len(granted) >= 10


async def test_bulk_leaves_the_reserved_places_to_the_urgent_lane(valkey: Redis) -> None:
    clock = Hand()
    pacing = Pacing(valkey, {"c": Limit(10, 4)}, clock)
    bulk = 0
    for _ in range(200):
        clock.move(0.0049)
        bulk += not await pacing.acquire("c", None, Lane.BULK, at_most=0.0)
    urgent = sum([not await pacing.acquire("c", None, Lane.URGENT, at_most=0.0) for _ in range(20)])
    assert bulk == 6
    assert urgent == 4


async def test_bulk_is_spread_over_the_second_instead_of_a_burst(valkey: Redis) -> None:
    pacing = Pacing(valkey, {"c": Limit(10)}, Hand())
    first, second = [await pacing.acquire("c", None, Lane.BULK, at_most=0.0) for _ in range(2)]
    assert (first, second) == (0.0, 0.1)


async def test_a_pause_holds_everybody_until_it_is_over_and_a_shorter_one_does_not_shorten_it(valkey: Redis) -> None:
    clock = Hand()
    one, other = (Pacing(valkey, {"c": Limit(10)}, clock) for _ in range(2))
    await one.pause("c", 7)
    await other.pause("c", 3)
    assert await other.acquire("c", None, Lane.URGENT, at_most=0.0) == 7.0
    clock.move(7)
    assert await other.acquire("c", None, Lane.URGENT, at_most=0.0) == 0.0


async def test_a_chat_has_its_own_limit_and_does_not_hold_up_others(valkey: Redis) -> None:
    pacing = Pacing(valkey, {"c": Limit(30, chat_per_second=1, group_per_minute=20)}, Hand())
    assert await pacing.acquire("c", "7", Lane.URGENT, at_most=0.0) == 0.0
    assert await pacing.acquire("c", "7", Lane.URGENT, at_most=0.0) > 0.9
    assert await pacing.acquire("c", "8", Lane.URGENT, at_most=0.0) == 0.0


async def test_a_group_gets_at_most_twenty_a_minute(valkey: Redis) -> None:
    clock = Hand()
    pacing = Pacing(valkey, {"c": Limit(30, chat_per_second=1, group_per_minute=20)}, clock)
    granted = 0
    for _ in range(58):
        granted += not await pacing.acquire("c", "-100", Lane.BULK, at_most=0.0)
        clock.move(1.01)
    assert granted == 20


async def test_the_parts_of_a_message_count(valkey: Redis) -> None:
    pacing = Pacing(valkey, {"c": Limit(10)}, Hand())
    granted = [await pacing.acquire("c", None, Lane.URGENT, cost=4, at_most=0.0) == 0.0 for _ in range(3)]
    assert granted == [True, True, False]


async def test_a_message_of_more_parts_than_the_limit_goes_alone_instead_of_never(valkey: Redis) -> None:
    pacing = Pacing(valkey, {"c": Limit(3)}, Hand())
    assert await pacing.acquire("c", None, Lane.URGENT, cost=9, at_most=0.0) == 0.0


async def test_waiting_ends_with_a_place(valkey: Redis) -> None:
    pacing = Pacing(valkey, {"c": Limit(20)}, lambda: datetime.now(UTC))  # noqa: TID251 # the waiting is real
    assert [await pacing.acquire("c", None, Lane.BULK, at_most=90.0) for _ in range(5)] == [0.0] * 5


async def test_no_key_stays_for_ever(valkey: Redis) -> None:
    pacing = Pacing(valkey, {"c": Limit(10, chat_per_second=1, group_per_minute=20)}, Hand())
    await pacing.acquire("c", "-100", Lane.URGENT, at_most=0.0)
    await pacing.pause("c", 5)
    keys = await valkey.keys("*")
    assert len(keys) == 5
    assert all([await valkey.pttl(key) > 0 for key in keys])


async def test_without_valkey_nothing_is_granted() -> None:
    async with Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1) as nobody:
        pacing = Pacing(nobody, {"c": Limit(10)}, Hand())
        with pytest.raises(ValkeyUnavailable):
            await pacing.acquire("c", None, Lane.URGENT)
