"""Deliveries to the callers: each at its time, a bounded number at once, tried again until taken or given up."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.sandbox.domain.answer import Answer

AT_ONCE = 32
QUEUED = 50_000
ATTEMPTS = 8
LONGEST_PAUSE = 10.0
"""With a first pause of 0.5 s eight attempts span about 35 s: a restart of the receiver is covered."""

Work = Callable[[], Awaitable[None]]

_started_in: ContextVar[int | None] = ContextVar("started_in", default=None)
"""The generation of the job that is running: what a reset has forgotten must not schedule its own repetition."""


class Post(Protocol):
    """Posts a form or JSON to a URL; never raises for an unreachable callee."""

    async def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, json: Any = None, headers: Mapping[str, str]
    ) -> Answer:
        """One attempt."""


@dataclass(order=True, slots=True)
class Job:
    """Something to do at `due` (seconds of the event loop's clock)."""

    due: float
    order: int
    generation: int
    work: Work = field(compare=False)


def pause(first: float, attempt: int) -> float:
    """Seconds before the attempt after `attempt` (from 1)."""
    return min(first * float(2 ** (attempt - 1)), LONGEST_PAUSE)


class Deliveries:
    """A schedule that `run` works off. What does not fit into 50,000 waiting jobs is dropped and counted."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._order = 0
        self._generation = 0
        self._wake = asyncio.Event()
        self._running = 0
        self.dropped = 0

    @property
    def under_way(self) -> int:
        """Jobs that wait, also for their next attempt, or are being done."""
        return len(self._jobs) + self._running

    def schedule(self, after: float, work: Work) -> None:
        """Do `work` in `after` seconds. `work` handles its own failures."""
        if _started_in.get() not in {None, self._generation}:
            return
        if len(self._jobs) >= QUEUED:
            self.dropped += 1
            return
        self._order += 1
        due = asyncio.get_running_loop().time() + after
        heapq.heappush(self._jobs, Job(due, self._order, self._generation, work))
        self._wake.set()

    def clear(self) -> None:
        """Forget what is waiting, and what is running now and would come again."""
        self._generation += 1
        self._jobs.clear()

    async def run(self) -> None:
        """Work off the schedule until cancelled."""
        places = asyncio.Semaphore(AT_ONCE)

        def done(_: object) -> None:
            places.release()
            self._running -= 1

        async with asyncio.TaskGroup() as group:
            while True:
                job = await self._due()
                self._running += 1
                await places.acquire()
                task = group.create_task(_one(job))
                task.add_done_callback(done)

    async def _due(self) -> Job:
        while True:
            self._wake.clear()
            wait = self._jobs[0].due - asyncio.get_running_loop().time() if self._jobs else None
            if wait is not None and wait <= 0:
                return heapq.heappop(self._jobs)
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue


async def _one(job: Job) -> None:
    _started_in.set(job.generation)
    await job.work()
