"""One record from its bytes to its end: handled, skipped, or its dead letter acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog

from shared.bus.dead import DeadLetter
from shared.bus.lanes import Lanes
from shared.bus.metrics import UNKNOWN, BusMetrics
from shared.bus.producer import Producer
from shared.bus.retry import Cause, Outages, RetryBudget, Tries, cause
from shared.bus.wire import Received
from shared.clock import Clock
from shared.errors import Failure, Retry
from shared.events import Event, UnknownType, decode
from shared.events.codec import traceparent
from shared.telemetry import UNTRACED, Delivered, Step, Tracing, carry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """Where an event came from."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    """When the record was written, aware."""
    traceparent: str | None
    """W3C trace context of the producer; `telemetry.current_trace` is already set to our own step in it."""
    attempt: int
    """From 1; counts the calls in this process, a redelivery starts again at 1."""


E = TypeVar("E", bound=Event)
Handler = Callable[[E, Context], Awaitable[None]]
Handlers = Mapping[type[Event], Callable[[Any, Context], Awaitable[None]]]


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


class Handling:
    """Takes records of one group through their handlers."""

    def __init__(
        self,
        group: str,
        handlers: Handlers,
        policy: Policy,
        *,
        slots: asyncio.Semaphore,
        producer: Producer,
        clock: Clock,
        metrics: BusMetrics,
        tracing: Tracing = UNTRACED,
    ) -> None:
        """`slots` bounds the handlers at work; a pause between attempts holds none."""
        self._group = group
        self._handlers = handlers
        self._policy = policy
        self._slots = slots
        self._producer = producer
        self._clock = clock
        self._metrics = metrics
        self._tracing = tracing
        self._dead_in_a_row = 0
        self.waiting_out = 0
        """Records that wait for something to come back."""

    @property
    def held(self) -> bool:
        """Too many dead letters in a row: nothing more is given up until a restart."""
        return self._dead_in_a_row >= self._policy.dead_limit

    async def handle(self, record: Received, lanes: Lanes) -> None:
        """Returns when the record counts as done. Raises Abandoned when the lanes are drained before that."""
        try:
            event = decode(record.value, record.headers)
        except UnknownType:
            self._count(record, UNKNOWN, "skipped")
            return
        except Exception as error:  # noqa: BLE001 # whatever a record's bytes cause, the loop survives
            await self._bury(record, UNKNOWN, error, 0, lanes)
            return
        handler = self._handlers.get(type(event))
        if handler is None:
            self._count(record, event.type, "skipped")
            return
        tries = self._tries()
        failed = await self._try(lambda: self._call(handler, event, record, tries), record, event.type, tries, lanes)
        if failed is None:
            self._dead_in_a_row = 0
            self._count(record, event.type, "ok")
        else:
            await self._bury(record, event.type, failed, tries.attempts, lanes)

    async def _try(
        self, call: Callable[[], Awaitable[None]], record: Received, event: str, tries: Tries, lanes: Lanes
    ) -> Exception | None:
        """Call until it succeeds (None) or the rule gives it up (the last error)."""
        while (error := await _outcome(call)) is not None:
            pause = tries.after(error)
            if pause is None:
                return error
            self._count(record, event, "retry")
            outage = cause(error, self._policy.outages) is Cause.OUTAGE
            self.waiting_out += outage
            try:
                await lanes.pause(pause)
            finally:
                self.waiting_out -= outage
        return None

    async def _call(
        self, handler: Callable[[Any, Context], Awaitable[None]], event: Event, record: Received, tries: Tries
    ) -> None:
        trace = traceparent(record.headers)
        async with self._slots:
            tries.attempts += 1
            context = Context(*record.place, record.offset, record.timestamp, trace, tries.attempts)
            began = time.perf_counter()
            with self._step(event, record, trace):
                await handler(event, context)
            self._metrics.seconds.labels(self._group, record.place.topic).observe(time.perf_counter() - began)

    def _step(self, event: Event, record: Received, trace: str | None) -> Step:
        carried = carry(trace)  # also for what is logged of a failure, after the step
        if not self._tracing.on:
            return carried
        delivered = Delivered(*record.place, record.offset, self._group, event.event_id, record.timestamp)
        return self._tracing.processing(delivered, trace)

    async def _bury(self, record: Received, event: str, error: Exception, attempts: int, lanes: Lanes) -> None:
        """Returns when the dead letter is acknowledged: only then may the offset count."""
        while self.held:
            await lanes.pause(3600)
        self._dead_in_a_row += 1
        letter = DeadLetter.of(record, error, group=self._group, attempts=attempts, at=self._clock())
        refused = await self._try(lambda: self._producer.send([letter.outgoing()]), record, event, self._tries(), lanes)
        if refused is not None:
            raise refused
        self._metrics.dead.labels(self._group, record.place.topic, letter.reason).inc()
        self._count(record, event, "dead")
        log.warning(
            "dead letter", group=self._group, topic=record.place.topic, partition=record.place.partition,
            offset=record.offset, reason_code=letter.reason, error_code=letter.error, attempts=attempts,
            exc_info=error,
        )  # fmt: skip

    def _tries(self) -> Tries:
        return Tries(self._policy.budget, self._policy.outages, self._policy.jitter)

    def _count(self, record: Received, event: str, outcome: str) -> None:
        self._metrics.records.labels(self._group, record.place.topic, event, outcome).inc()


async def _outcome(call: Callable[[], Awaitable[None]]) -> Exception | None:
    task = asyncio.current_task()
    try:
        await call()
    except asyncio.CancelledError:
        if task is None or task.cancelling():
            raise
        return HandlerCancelled()
    except Exception as error:  # noqa: BLE001 # whatever a handler raises, the loop survives
        return error
    return None
