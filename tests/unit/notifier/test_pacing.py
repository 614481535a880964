"""Pacing beside Valkey itself: what a stop does to a caller."""

import asyncio
from typing import Any, cast

from services.notifier.store.pacing import Limit, Pacing
from shared.clock import utc_now
from shared.events import Lane


class Losing:
    """A client that loses a cancellation, as redis does in Python 3.11 where it comes in the wrong moment."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def register_script(self, _: str) -> "Losing":
        """Itself."""
        return self

    async def __call__(self, **_: object) -> list[int]:
        """Granted, whatever came meanwhile."""
        try:
            self.asked.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
        return [0, 0, 1]


async def test_who_waits_for_a_place_stops_when_told_even_where_the_client_loses_it() -> None:
    client = Losing()
    pacing = Pacing(cast("Any", client), {"c": Limit(1)}, utc_now)

    async def wait() -> None:
        await pacing.acquire("c", None, Lane.URGENT)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(wait())
        await client.asked.wait()
        task.cancel()
    assert task.cancelled()
