"""What the sandbox has yet to deliver is counted until it is over."""

import asyncio

from services.sandbox.service.deliveries import Deliveries
from shared.lifecycle import Tasks


async def nothing() -> None:
    """Done at once."""


async def test_a_delivery_is_under_way_while_it_waits_is_made_and_will_be_tried_again() -> None:
    due, begun, fails, scheduled = Deliveries(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def attempt() -> None:
        begun.set()
        await fails.wait()
        due.schedule(3_600.0, nothing)
        scheduled.set()

    due.schedule(0.0, attempt)
    assert due.under_way == 1
    async with Tasks() as tasks, asyncio.timeout(60):
        tasks.spawn(due.run(), name="deliveries")
        await begun.wait()
        assert due.under_way == 1
        fails.set()
        await scheduled.wait()
        assert due.under_way >= 1
        due.clear()
        while due.under_way:  # noqa: ASYNC110  it is over after all that the job itself could tell
            await asyncio.sleep(0.01)
