"""Start order, reverse stop, signals, and the only place that starts tasks."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

import structlog

T = TypeVar("T")
_AGAIN_SECONDS = 5.0
_ASKED = 2
"""How often a task is asked to end; one that swallows every cancellation is left to `process.run`."""
log = structlog.get_logger(__name__)


class Tasks(AbstractAsyncContextManager["Tasks"]):
    """Owns background tasks: one that dies takes its owner down, and leaving the block cancels and awaits them all.
    One that ends as cancelled without having been cancelled has died, too: aiokafka does that when a broker goes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._died: asyncio.Future[None] | None = None

    def spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        """Run `work` until it ends or the owner stops. Its exception surfaces in `crashed` and on leaving."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def crashed(self) -> None:
        """Wait until a task dies, then raise its exception; never returns otherwise."""
        await self._future()

    def _future(self) -> asyncio.Future[None]:
        if self._died is None:
            self._died = asyncio.get_running_loop().create_future()
        return self._died

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = _cause_of_death(task)
        if error is None:
            return
        log.error("task died", task=task.get_name(), error=type(error).__name__)
        if not self._future().done():
            self._future().set_exception(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in range(_ASKED):
            if not (running := tuple(self._tasks)):
                break
            for task in running:
                task.cancel()
            # Asked again, since a cancellation can be lost: asyncio.wait_for of Python 3.11 swallows one that comes as
            # it returns.
            await asyncio.wait(running, timeout=_AGAIN_SECONDS)
        if self._tasks:
            log.error("tasks do not end", tasks=sorted(task.get_name() for task in self._tasks))
        if self._died is not None and self._died.done() and not self._died.cancelled():
            died = self._died.exception()
            if died is not None and error is None:
                raise died


class Vanished(Exception):
    """A task ended as cancelled, and nobody had cancelled it."""


def _cause_of_death(task: asyncio.Task[None]) -> BaseException | None:
    if not task.cancelled():
        return task.exception()
    return None if task.cancelling() else Vanished(task.get_name())


class Lifecycle:
    """A process: what was entered last is left first; it runs until SIGTERM, SIGINT or the death of a task."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self.tasks = Tasks()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        await self._stack.enter_async_context(self.tasks)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Start `resource` now; stop it after everything that is entered later has stopped."""
        return await self._stack.enter_async_context(resource)

    def on_stop(self, callback: Callable[[], Coroutine[object, object, None]]) -> None:
        """Await `callback` in its place of the reverse order."""
        self._stack.push_async_callback(callback)

    def stop(self) -> None:
        """Ask the process to stop."""
        self._stopping.set()

    async def until_stopped(self) -> None:
        """Wait for a signal. Raises what killed a task of `tasks`, if one dies first."""
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(self._stopping.wait())
            crashed = group.create_task(self.tasks.crashed())
            await asyncio.wait({stopping, crashed}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            crashed.cancel()


class Wakeup:
    """Coalesced wake-ups with a safety net: any number of `wake` calls make `wait` return once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Something was committed: look now."""
        self._event.set()

    async def wait(self, at_most: float) -> None:
        """Return at the next wake-up, or after `at_most` seconds, since a wake-up of another process is not heard."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._event.wait()
        self._event.clear()
