"""One record from its bytes to its end: handled, skipped, or its dead letter acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from shared.bus.burying import Burial
from shared.bus.lanes import Lanes
from shared.bus.metrics import UNKNOWN, BusMetrics
from shared.bus.producer import Producer
from shared.bus.retry import Tries
from shared.bus.trying import GivenUp, Policy, Trying
from shared.bus.waits import Waits
from shared.bus.watchdog import Watchdog
from shared.bus.wire import Received
from shared.clock import Clock
from shared.events import Event, UnknownType, decode
from shared.events.codec import traceparent
from shared.telemetry import UNTRACED, Delivered, Step, Tracing, carry


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


class Handling:
    """Takes records of one group through their handlers."""

    def __init__(
        self,
        group: str,
        handlers: Handlers,
        policy: Policy,
        *,
        slots: asyncio.Semaphore,
        watchdog: Watchdog,
        producer: Producer,
        clock: Clock,
        time: Callable[[], float],
        metrics: BusMetrics,
        tracing: Tracing = UNTRACED,
    ) -> None:
        """`slots` bounds the handlers at work; a pause between attempts holds none. `time`: seconds, monotonic."""
        self._group = group
        self._handlers = handlers
        self._slots = slots
        self._watchdog = watchdog
        self._time = time
        self._metrics = metrics
        self._tracing = tracing
        self._trying = Trying(group, policy, time=time, metrics=metrics)
        self.burial = Burial(group, policy, self._trying, producer, clock=clock, time=time, metrics=metrics)
        self.outages = Waits(clock, time)
        """Records that wait for something to come back."""
        self.handled_at = time()
        """When a handler succeeded last."""

    async def handle(self, record: Received, lanes: Lanes) -> None:
        """Returns when the record counts as done. Raises Abandoned when the lanes are drained before that."""
        try:
            event = decode(record.value, record.headers)
        except UnknownType:
            self._count(record, UNKNOWN, "skipped")
            return
        except Exception as error:  # noqa: BLE001 # whatever a record's bytes cause, the loop survives
            carry(traceparent(record.headers))
            await self.burial.bury(record, UNKNOWN, GivenUp(error), lanes)
            return
        handler = self._handlers.get(type(event))
        if handler is None:
            self._count(record, event.type, "skipped")
            return

        async def call(tries: Tries) -> None:
            await self._call(handler, event, record, tries)

        try:
            given_up = await self._trying.until_done(call, record, event.type, lanes, self.outages)
        finally:
            self.outages.release(record)
        if given_up is not None:
            await self.burial.bury(record, event.type, given_up, lanes)
            return
        self.burial.handled()
        self.handled_at = self._time()
        self._count(record, event.type, "ok")

    async def _call(
        self, handler: Callable[[Any, Context], Awaitable[None]], event: Event, record: Received, tries: Tries
    ) -> None:
        trace = traceparent(record.headers)
        async with self._slots:
            tries.begin(self._time())
            context = Context(*record.place, record.offset, record.timestamp, trace, tries.attempts)
            with self._step(event, record, trace):
                await self._watchdog.guard(record.place.topic, handler(event, context))
            self._metrics.seconds.labels(self._group, record.place.topic).observe(self._time() - tries.began)

    def _step(self, event: Event, record: Received, trace: str | None) -> Step:
        carried = carry(trace)  # also for what is logged of a failure, after the step
        if not self._tracing.on:
            return carried
        delivered = Delivered(*record.place, record.offset, self._group, event.event_id, record.timestamp)
        return self._tracing.processing(delivered, trace)

    def _count(self, record: Received, event: str, outcome: str) -> None:
        self._metrics.records.labels(self._group, record.place.topic, event, outcome).inc()
