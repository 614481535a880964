"""Loops that drain: as many at once as told, woken when there is work, allowed to finish what they have in hand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import structlog

from shared.errors import Failure
from shared.lifecycle import Tasks, Wakeup

log = structlog.get_logger(__name__)

IDLE_SECONDS = 1.0
"""Safety net: work of another process, and rows that become due by time, are not announced."""
DRAIN_SECONDS = 15.0
"""On a stop: the longest call (10 s) and the writing of its outcome. What is not finished then is done again later."""


class Loops:
    """Runs `step` in `count` loops until left. A step returns whether it found work; a Failure of it is logged and
    the loop rests."""

    def __init__(self, name: str, step: Callable[[], Awaitable[bool]], count: int) -> None:
        self._name = name
        self._step = step
        self._count = count
        self._stopping = False
        self._busy: set[asyncio.Task[None]] = set()
        self._own = Tasks()
        self._tasks: list[asyncio.Task[None]] = []
        self._wakeup = Wakeup()

    def wake(self) -> None:
        """There is work."""
        self._wakeup.wake()

    async def __aenter__(self) -> Self:
        self._tasks = [self._own.spawn(self._run(), f"{self._name} {n}") for n in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        for task in self._tasks:
            if task not in self._busy:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
        await self._own.__aexit__(None, None, None)

    async def crashed(self) -> None:
        """Wait until a loop dies, then raise its exception."""
        await self._own.crashed()

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while not self._stopping:
            self._busy.add(task)
            try:
                found = await self._step()
            except Failure as failure:
                log.warning("step failed", loop=self._name, error_code=failure.code)
                found = False
            finally:
                self._busy.discard(task)
            if not found and not self._stopping:
                await self._wakeup.wait(IDLE_SECONDS)
