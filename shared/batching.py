"""Collects calls that come while one batch is under way into the next: one transaction, or one round trip, for many."""

from asyncio import Future, get_running_loop
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from shared.errors import Unavailable
from shared.lifecycle import Tasks
from shared.telemetry import detach

Item = TypeVar("Item")
Result = TypeVar("Result")
Act = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
"""One result for each item, in order; an exception is that item's alone."""


class Batcher(Generic[Item, Result]):
    """Nobody waits for a batch to fill: what comes alone is done alone, at once.

    A batch that raises is done again item by item, so that one item at fault fails alone; unless what it depends on is
    away (Unavailable, OSError), which all of its callers are told. A caller who is cancelled leaves the batch as it
    is: what has begun is finished."""

    def __init__(self, act: Act[Item, Result], *, limit: int, key: Callable[[Item], Hashable] | None = None) -> None:
        """`limit`: items of one batch. `key`: of items with one key each goes into a batch of its own, in order. How
        many wait is bounded by how many callers there are."""
        self._act = act
        self._limit = limit
        self._key = key
        self._waiting: list[tuple[Item, Future[Result]]] = []
        self._tasks = Tasks()
        self._busy = False

    async def __call__(self, item: Item) -> Result:
        """The item's result. Raises what its act raises."""
        future: Future[Result] = get_running_loop().create_future()
        self._waiting.append((item, future))
        if not self._busy:
            self._busy = True
            self._tasks.spawn(self._work(), "batches")
        return await future

    async def _work(self) -> None:
        detach()  # the task began in the trace of its first caller
        try:
            while self._waiting:
                taken = self._take()
                for (_, future), result in zip(taken, await self._results([item for item, _ in taken]), strict=True):
                    _tell(future, result)
        finally:
            self._busy = False
            for _, future in self._waiting:  # only when this task is cancelled: the process ends
                future.cancel()

    def _take(self) -> list[tuple[Item, Future[Result]]]:
        taken: list[tuple[Item, Future[Result]]] = []
        left: list[tuple[Item, Future[Result]]] = []
        keys: set[Hashable] = set()
        for number, (item, future) in enumerate(self._waiting):
            key = self._key(item) if self._key else number
            if future.done():  # its caller was cancelled
                continue
            if key in keys or len(taken) == self._limit:
                left.append((item, future))
            else:
                taken.append((item, future))
            keys.add(key)
        self._waiting = left
        return taken

    async def _results(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        if not items:
            return []
        try:
            return await self._act(items)
        except (Unavailable, OSError) as error:
            return [error] * len(items)
        except Exception as error:  # noqa: BLE001 # told to whom it belongs
            if len(items) == 1:
                return [error]
        return [result for item in items for result in await self._results([item])]


def _tell(future: "Future[Result]", result: Result | Exception) -> None:
    if future.done():  # its caller was cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
