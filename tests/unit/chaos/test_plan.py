"""Who dies when is drawn from the seed alone, at counted points, and everybody's turn comes."""

import asyncio
import random  # noqa: TID251  as the plan does
from collections import Counter

from stack.chaos.plan import Way, strikes, ways
from stack.chaos.striking import Clock

VICTIMS = ("registry", "otp", "notifier", "postgres")


def luck(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def test_the_same_seed_strikes_at_the_same_points() -> None:
    plans = [strikes(luck(7), 300, VICTIMS, 12) for _ in range(2)]
    assert plans[0] == plans[1]
    assert plans[0] != strikes(luck(8), 300, VICTIMS, 12)


def test_nobody_dies_twice_before_everybody_died_once() -> None:
    plan = strikes(luck(1), 300, VICTIMS, 12)
    for start in range(0, 12, len(VICTIMS)):
        assert {each.victim for each in plan[start : start + len(VICTIMS)]} == set(VICTIMS)


def test_strikes_come_in_order_and_before_the_last_steps() -> None:
    points = [each.step for each in strikes(luck(1), 300, VICTIMS, 40)]
    assert points == sorted(set(points))
    assert points[0] >= 1
    assert points[-1] < 300 * 19 // 20


def test_people_confirm_in_all_ways_and_some_refuse_or_do_nothing() -> None:
    counted = Counter(ways(60))
    assert counted == {Way.WEB: 18, Way.SMS: 18, Way.TELEGRAM: 18, Way.REFUSES: 3, Way.SILENT: 3}


async def test_a_strike_comes_at_its_count_and_never_before() -> None:
    clock, struck = Clock(), list[int]()

    async def strike(count: int) -> None:
        await clock.until(count)
        struck.append(clock.steps)

    async with asyncio.TaskGroup() as group:
        group.create_task(strike(2))
        group.create_task(strike(5))
        for _ in range(6):
            await asyncio.sleep(0)
            clock.step()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert struck == [2, 5]


async def test_when_nobody_acts_any_more_every_strike_still_comes() -> None:
    clock = Clock()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(clock.until(100))
        await asyncio.sleep(0)
        assert not waiting.done()
        clock.finish(100)
