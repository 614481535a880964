"""Handlers that never return: Kafka cannot see them, since the runner around them goes on polling."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.errors import EX_TEMPFAIL, Failure, Retry

GRACE_SECONDS = 10.0
"""From the cancellation of a handler until it counts as unstoppable; asked a second time half-way, since a
cancellation can be lost (asyncio.wait_for of Python 3.11 swallows one that comes as it returns)."""


class HandlerStuck(Failure):
    """The handler had not returned after {seconds} seconds and was cancelled."""

    code = "handler_stuck"
    retry = Retry.LATER
    alarm = True


class HandlerUnstoppable(Failure):
    """A handler of {topic} swallowed its cancellation: only a new process helps."""

    code = "handler_unstoppable"
    alarm = True
    exit_code = EX_TEMPFAIL


@dataclass(slots=True)
class _Call:
    topic: str
    began: float
    cancelled: float = 0.0
    asked: int = 0


class Watchdog:
    """Knows the handlers at work and ends those that take too long."""

    def __init__(
        self, limit: float, time: Callable[[], float], stuck: Callable[[str], None], grace: float = GRACE_SECONDS
    ) -> None:
        """`limit` and `grace` in seconds of `time`; `stuck` is told the topic of every handler that is cancelled."""
        self._limit = limit
        self._grace = grace
        self._time = time
        self._stuck = stuck
        self._calls: dict[asyncio.Task[object], _Call] = {}

    async def guard(self, topic: str, call: Awaitable[None]) -> None:
        """Await `call`, a handler's, in the task of its lane. Raises HandlerStuck if it was `look` that ended it."""
        task = asyncio.current_task()
        assert task is not None
        mine = self._calls[task] = _Call(topic, self._time())
        try:
            await call
        except BaseException:
            if not mine.asked or _others_cancel(task, mine.asked):
                raise
            raise HandlerStuck(seconds=round(self._limit)) from None
        else:
            _others_cancel(task, mine.asked)  # it ended with its effect done, in spite of us
        finally:
            del self._calls[task]

    def look(self, late: float = 0.0) -> None:
        """Cancel the handlers that are over the limit. `late`: seconds for which nothing could run since the last look;
        what has begun after them has lost none of its time. Raises HandlerUnstoppable for one that goes on in spite of
        its cancellation."""
        now = self._time()
        for task, call in self._calls.items():
            call.began = min(now, call.began + late)
            call.cancelled = min(now, call.cancelled + late)
            if not call.asked:
                if now - call.began > self._limit:
                    call.cancelled = now
                    self._stuck(call.topic)
                    self._cancel(task, call)
            elif now - call.cancelled > self._grace:
                raise HandlerUnstoppable(topic=call.topic)
            elif call.asked == 1 and now - call.cancelled > self._grace / 2:
                self._cancel(task, call)

    def _cancel(self, task: "asyncio.Task[object]", call: _Call) -> None:
        call.asked += 1
        task.cancel()


def _others_cancel(task: "asyncio.Task[object]", asked: int) -> bool:
    """Take back our own cancellations; whether there are others: then the task must end."""
    for _ in range(asked):
        task.uncancel()
    return task.cancelling() > 0
