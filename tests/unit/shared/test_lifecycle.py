"""Tasks have an owner, a crash is heard, and processes stop in reverse order."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared import lifecycle
from shared.lifecycle import Lifecycle, Tasks, Wakeup


async def test_leaving_cancels_and_awaits_every_task() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async with Tasks() as tasks:
        tasks.spawn(work(), "work")
        await asyncio.sleep(0)
    assert ended == ["ended"]


async def test_a_task_that_loses_its_cancellation_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_AGAIN_SECONDS", 0.01)
    asked: list[str] = []

    async def deaf() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.append("cancel")
                if len(asked) == 2:
                    raise

    async with asyncio.timeout(60):
        async with Tasks() as tasks:
            tasks.spawn(deaf(), "deaf")
            await asyncio.sleep(0)
    assert asked == ["cancel", "cancel"]


async def test_a_task_that_nobody_cancelled_does_not_end_in_silence() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    async def cancelled() -> None:
        await asyncio.Event().wait()

    tasks = Tasks()
    task = tasks.spawn(cancelled(), "cancelled")
    await asyncio.sleep(0)
    task.cancel()
    tasks.spawn(work(), "poll")
    async with asyncio.timeout(60):
        with pytest.raises(lifecycle.Vanished, match="poll"):
            await tasks.crashed()


async def test_a_crash_reaches_whoever_waits() -> None:
    async def work() -> None:
        raise RuntimeError("broken")

    tasks = Tasks()
    tasks.spawn(work(), "work")
    with pytest.raises(RuntimeError, match="broken"):
        await tasks.crashed()


async def test_a_process_stops_on_sigterm_in_reverse_order() -> None:
    order: list[str] = []

    @asynccontextmanager
    async def part(name: str) -> AsyncIterator[str]:
        order.append(f"start {name}")
        yield name
        order.append(f"stop {name}")

    async with Lifecycle() as life:
        await life.enter(part("store"))
        await life.enter(part("web"))
        os.kill(os.getpid(), signal.SIGTERM)
        await life.until_stopped()
    assert order == ["start store", "start web", "stop web", "stop store"]


async def test_the_death_of_a_task_ends_the_process_with_its_error() -> None:
    async def work() -> None:
        raise RuntimeError("broken")

    async def process() -> None:
        async with Lifecycle() as life:
            life.tasks.spawn(work(), "work")
            await life.until_stopped()

    with pytest.raises(BaseExceptionGroup) as failure:
        await process()
    assert failure.group_contains(RuntimeError, match="broken")


async def test_many_wake_ups_are_one_and_silence_is_bounded() -> None:
    wakeup = Wakeup()
    wakeup.wake()
    wakeup.wake()
    await wakeup.wait(at_most=60)
    await wakeup.wait(at_most=0.001)
