"""Lanes: records of one key one after another, different keys at the same time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from shared.bus.wire import Place, Received
from shared.lifecycle import Tasks

_CANCEL_SECONDS = 1.0
Lane = tuple[Place, bytes | None]


class Abandoned(Exception):
    """Not finished and not going to be: the partitions are being given back, the next owner takes it up."""


def lane_of(record: Received) -> Lane:
    """Records of one lane never overlap and never change order. Those without key share their partition's lane."""
    return record.place, record.key


class Lanes:
    """The lanes of one assignment. A lane exists while it has records, so a slow key delays nobody else."""

    def __init__(self, work: Callable[[Received], Awaitable[None]], tasks: Tasks) -> None:
        """`work` handles one record; it raises nothing but Abandoned."""
        self._work = work
        self._owner = tasks
        self._waiting: dict[Lane, deque[Received]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = asyncio.Event()

    def put(self, record: Received) -> None:
        """Queue `record` behind the others of its lane."""
        lane = lane_of(record)
        if (waiting := self._waiting.get(lane)) is not None:
            waiting.append(record)
            return
        self._waiting[lane] = deque([record])
        task = self._owner.spawn(self._run(lane), f"lane {record.place.topic}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Lane) -> None:
        waiting = self._waiting[lane]
        try:
            while waiting:
                await self._work(waiting.popleft())
        except Abandoned:
            return
        finally:
            del self._waiting[lane]

    async def pause(self, seconds: float) -> None:
        """Wait before another attempt. Raises Abandoned when the lanes are being drained: nobody waits for retries."""
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            return
        raise Abandoned

    def drop(self) -> None:
        """Forget what is queued and cancel what has begun: it belongs to somebody else now."""
        for task in self._tasks:
            task.cancel()

    async def drain(self, timeout: float) -> bool:
        """Finish what is queued and in flight within `timeout` seconds, then cancel the rest. True: all finished."""
        self._draining.set()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout)
        rest = tuple(self._tasks)
        for task in rest:
            task.cancel()
        if rest:  # bounded: a handler that swallows its cancellation finishes into an assignment that nobody commits
            await asyncio.wait(rest, timeout=_CANCEL_SECONDS)
        return not rest
