"""The guard around calls of Valkey."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as Lost

from shared.valkey import ValkeyUnavailable, valkey_errors


async def test_errors_of_the_client_are_said_as_valkey_being_away() -> None:
    with pytest.raises(ValkeyUnavailable), valkey_errors():
        raise Lost
    with pytest.raises(ValkeyUnavailable), valkey_errors():
        raise TimeoutError


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_that_the_client_loses_still_stops_the_caller(fails: bool) -> None:
    """`asyncio.wait_for` of Python 3.11 returns, or raises, the inner result when it is cancelled in that moment."""
    waiting = asyncio.Event()

    async def call() -> None:
        with valkey_errors():
            try:
                waiting.set()
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if fails:
                    raise Lost from None

    async with asyncio.TaskGroup() as group:
        task = group.create_task(call())
        await waiting.wait()
        task.cancel()
    assert task.cancelled()
