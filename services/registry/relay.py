"""Outbox to topics: claim, publish, mark. Any number of relays may run; one publishes at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.registry.domain.failures import DatabaseUnavailable
from services.registry.store.relaying import Claim, OutboxStore
from shared.bus import BusUnavailable, Unpublishable
from shared.clock import Clock
from shared.events import Record
from shared.lifecycle import Wakeup

log = structlog.get_logger(__name__)

BATCH = 200
"""Rows in one transaction: large enough for throughput, small enough that a kill repeats few."""
POLL_SECONDS = 0.5
"""How long a commit of another process waits at most; commits of this process wake the relay."""
PAUSE_SECONDS = 1.0
"""After the broker or the database did not answer."""
SWEEP_SECONDS = 600.0
WATCH_SECONDS = 5.0


class Publishes(Protocol):
    """The bus's producer."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when all are acknowledged. Raises BusUnavailable, Unpublishable."""


class RelayMetrics:
    """What dashboards see of the outbox."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.waiting = Gauge("boothline_outbox_waiting", "Events not published", registry=registry)
        self.age = Gauge("boothline_outbox_age_seconds", "Age of the oldest event not published", registry=registry)
        self.published = Counter("boothline_outbox_published_total", "Events published", registry=registry)
        self.delay = Histogram(
            "boothline_outbox_delay_seconds", "From an event's time to its publishing", registry=registry
        )
        self.refused = Counter("boothline_outbox_refused_total", "Events the broker never takes", registry=registry)


class Relay:
    """Publishes the outbox. A kill between publishing and marking repeats events under the same event id; consumers
    count them once."""

    def __init__(
        self,
        store: OutboxStore,
        producer: Publishes,
        *,
        cluster_id: Callable[[], Awaitable[str]],
        wakeup: Wakeup,
        clock: Clock,
        metrics: RelayMetrics,
    ) -> None:
        """Nothing is opened. `cluster_id` asks the broker; it raises BusUnavailable."""
        self._store = store
        self._producer = producer
        self._cluster_id = cluster_id
        self._wakeup = wakeup
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            try:
                full = await self.step() == BATCH
            except (BusUnavailable, DatabaseUnavailable) as failure:
                log.warning("relay waits", error_code=failure.code)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if not full:
                await self._wakeup.wait(POLL_SECONDS)

    async def step(self) -> int:
        """Publish one batch; returns its size. Raises BusUnavailable, DatabaseUnavailable: nothing is marked."""
        async with self._store.claim(BATCH) as claim:
            if claim.records:
                await self._publish(claim)
        return len(claim.records)

    async def _publish(self, claim: Claim) -> None:
        try:
            await self._producer.publish(claim.records)
        except Unpublishable as failure:
            _raise_if_topics_are_missing(failure)
            await self._publish_singly(claim)
            return
        now = self._clock()
        await claim.published(range(len(claim.records)), now)
        self._metrics.published.inc(len(claim.records))
        for stated_at in claim.stated_at:
            self._metrics.delay.observe(max(0.0, (now - stated_at).total_seconds()))

    async def _publish_singly(self, claim: Claim) -> None:
        """One record of the batch is never taken: find it, mark it, publish the others."""
        for position, record in enumerate(claim.records):
            try:
                await self._producer.publish([record])
            except Unpublishable as failure:
                _raise_if_topics_are_missing(failure)
                log.exception("event refused by the broker", topic=record.topic, error_code=failure.code)
                await claim.refused(position, failure.message, self._clock())
                self._metrics.refused.inc()
            else:
                await claim.published([position], self._clock())
                self._metrics.published.inc()

    async def watch(self) -> None:
        """Look which broker it is, keep the gauges current and sweep now and then, until cancelled."""
        swept: datetime | None = None
        while True:
            now = self._clock()
            try:
                await self.meet_broker()
                await self._gauge(now)
                if swept is None or (now - swept).total_seconds() >= SWEEP_SECONDS:
                    await self._store.sweep(now)
                    swept = now
            except (BusUnavailable, DatabaseUnavailable) as failure:
                log.warning("housekeeping waits", error_code=failure.code)
            await asyncio.sleep(WATCH_SECONDS)

    async def meet_broker(self) -> int:
        """Publish the last 7 days again when the broker is another one than last time (decision: broker without
        memory); returns how many events. Raises BusUnavailable, DatabaseUnavailable."""
        again = await self._store.meet(await self._cluster_id(), self._clock())
        if again:
            log.warning("another broker: publishing again", events=again)
            self._wakeup.wake()
        return again

    async def _gauge(self, now: datetime) -> None:
        waiting = await self._store.waiting()
        self._metrics.waiting.set(waiting.rows)
        self._metrics.age.set((now - waiting.oldest).total_seconds() if waiting.oldest else 0.0)


def _raise_if_topics_are_missing(failure: Unpublishable) -> None:
    """A broker that was just started may not have its topics yet: that passes, the event is not at fault."""
    if failure.details.get("problem") == "unknown topic":
        raise BusUnavailable from failure
