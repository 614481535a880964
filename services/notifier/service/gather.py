"""Group commit: writes that arrive while one is under way go out together in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.errors import Failure, Unavailable

T = TypeVar("T")
R = TypeVar("R")

AT_MOST = 256
"""Rows in one statement: a commit costs about as much as ten rows, so more gains little."""


class Gather(Generic[T, R]):
    """Callers wait for their own result; nobody waits for a timer, so a lone caller pays no extra latency."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, at_most: int = AT_MOST) -> None:
        """`write` returns one result per item, in order. It is bounded by its callers: each has one item in here."""
        self._write = write
        self._at_most = at_most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._some = asyncio.Event()

    async def __call__(self, item: T) -> R:
        """The result for `item`. Raises what the write raised."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._some.set()
        return await future

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._some.wait()
            batch, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
            if not self._waiting:
                self._some.clear()
            await self._flush([(item, future) for item, future in batch if not future.done()])

    async def _flush(self, batch: list[tuple[T, "asyncio.Future[R]"]]) -> None:
        if not batch:
            return
        try:
            results = await self._write([item for item, _ in batch])
        except asyncio.CancelledError:
            _fail(batch, Unavailable())
            raise
        except Failure as failure:
            _fail(batch, failure)
        except Exception as error:  # noqa: BLE001 # whatever one item holds, the others are written and the loop lives on
            if len(batch) == 1:
                _fail(batch, error)
                return
            for alone in batch:
                await self._flush([alone])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(batch: Sequence[tuple[T, "asyncio.Future[R]"]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
