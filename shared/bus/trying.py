"""One thing that may fail, tried until it succeeds or the rule gives it up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.bus.lanes import Lanes
from shared.bus.metrics import BusMetrics
from shared.bus.retry import Cause, Outages, RetryBudget, Tries, cause
from shared.bus.waits import Waits
from shared.bus.wire import Received
from shared.errors import Failure, Retry


class HandlerCancelled(Failure):
    """The handler was cancelled by something else than us."""

    code = "handler_cancelled"
    retry = Retry.LATER


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to a record that fails."""

    budget: RetryBudget
    outages: Outages
    dead_limit: int
    """So many dead letters in a row, with nothing handled between, mean that the fault is ours: hold the rest."""
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Why, and what was tried."""

    error: Exception
    attempts: int = 0
    seconds: float = 0.0
    """From the first attempt to the last one's end, outages among them."""


class Trying:
    """Tries for one group."""

    def __init__(self, group: str, policy: Policy, *, time: Callable[[], float], metrics: BusMetrics) -> None:
        """`time`: seconds, monotonic."""
        self._group = group
        self._policy = policy
        self._time = time
        self._metrics = metrics

    async def until_done(
        self, call: Callable[[Tries], Awaitable[None]], record: Received, event: str, lanes: Lanes, waits: Waits
    ) -> GivenUp | None:
        """None when it succeeded. While an outage is in the way the record is one of `waits`; the caller releases it.
        `call` says in `Tries` when an attempt begins. Raises Abandoned when the lanes are drained between two."""
        policy, started = self._policy, self._time()
        tries = Tries(policy.budget, policy.outages, policy.jitter)
        while True:
            tries.began = self._time()
            if (error := await _outcome(call, tries)) is None:
                return None
            now = self._time()
            pause = tries.after(error, now - tries.began)
            if pause is None:
                return GivenUp(error, tries.attempts, now - started)
            self._metrics.records.labels(self._group, record.place.topic, event, "retry").inc()
            if cause(error, policy.outages) is Cause.OUTAGE:
                waits.hold(record, error)
            else:
                waits.release(record)
            await lanes.pause(pause)


async def _outcome(call: Callable[[Tries], Awaitable[None]], tries: Tries) -> Exception | None:
    task = asyncio.current_task()
    try:
        await call(tries)
    except asyncio.CancelledError:
        if task is None or task.cancelling():
            raise
        return HandlerCancelled()
    except Exception as error:  # noqa: BLE001 # whatever a handler raises, the loop survives
        return error
    return None
