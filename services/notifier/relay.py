"""Outbox to topics: claim, publish with acks from all, mark; woken at commit, and polling as a safety net."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.notifier.store.outbox import KEPT, Outbox
from services.notifier.store.retention import AT_ONCE as SWEPT_AT_ONCE
from services.notifier.store.retention import Retention
from shared.bus import BusUnavailable, Unpublishable
from shared.clock import Clock
from shared.errors import Failure
from shared.events import Record
from shared.lifecycle import Wakeup

log = structlog.get_logger(__name__)

AT_ONCE = 500
POLL_SECONDS = 1.0
"""How long an event of another process's commit waits at most."""
AGAIN_SECONDS = 1.0
WATCH_SECONDS = 5.0
SWEEP_EVERY = 120
"""In watches: ten minutes."""


class Publisher(Protocol):
    """The bus."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when all are acknowledged. Raises BusUnavailable, Unpublishable."""


class RelayMetrics:
    """What dashboards see of the outbox."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.waiting = Gauge("boothline_outbox_waiting", "Events not published", registry=registry)
        self.age = Gauge("boothline_outbox_oldest_seconds", "Age of the oldest event not published", registry=registry)
        self.published = Counter("boothline_outbox_published_total", "Events published", registry=registry)
        self.refused = Counter("boothline_outbox_refused_total", "Events the broker never takes", registry=registry)


class Relay:
    """Publishes the outbox. Several at once are safe: an event repeated is an event that consumers know."""

    def __init__(
        self,
        outbox: Outbox,
        retention: Retention,
        publisher: Publisher,
        *,
        cluster_id: Callable[[], Awaitable[str]],
        clock: Clock,
        metrics: RelayMetrics,
    ) -> None:
        """`cluster_id` asks the broker; raises BusUnavailable."""
        self._outbox = outbox
        self._retention = retention
        self._publisher = publisher
        self._cluster_id = cluster_id
        self._clock = clock
        self._metrics = metrics
        self.wakeup = Wakeup()

    async def run(self) -> None:
        """Relay until cancelled. An outage is waited out: everything stays in the outbox."""
        while True:
            try:
                while sent := await self._outbox.relay(self._publish, AT_ONCE, self._clock()):
                    self._metrics.published.inc(sent)
            except Failure as failure:
                log.warning("relay waits", error_code=failure.code, reason=failure.message)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await self.wakeup.wait(POLL_SECONDS)

    async def watch(self) -> None:
        """Look which broker it is, measure what waits, delete what is over; until cancelled."""
        turn = 0
        while True:
            try:
                await self.meet_broker()
                count, oldest = await self._outbox.waiting()
                self._metrics.waiting.set(count)
                self._metrics.age.set((self._clock() - oldest).total_seconds() if oldest else 0.0)
                if turn % SWEEP_EVERY == 0:
                    while await self._retention.sweep(self._clock()) >= SWEPT_AT_ONCE:
                        pass
                turn += 1
            except Failure as failure:
                log.warning("watch failed", error_code=failure.code, reason=failure.message)
            await asyncio.sleep(WATCH_SECONDS)

    async def meet_broker(self) -> int:
        """A broker with another cluster id than last time has forgotten everything: state the last 7 days again
        (decision 22). Returns how many events. Raises BusUnavailable, DatabaseUnavailable."""
        count = await self._outbox.meet(await self._cluster_id(), self._clock() - KEPT)
        if count:
            log.warning("another broker, stating everything again", count=count)
            self.wakeup.wake()
        return count

    async def _publish(self, records: Sequence[Record]) -> None:
        """All of them; one that the broker never takes is given up, loudly, instead of stopping the rest."""
        try:
            await self._publisher.publish(records)
        except Unpublishable as refused:
            _raise_if_a_topic_is_missing(refused)
            for record in records:
                await self._publish_alone(record)

    async def _publish_alone(self, record: Record) -> None:
        try:
            await self._publisher.publish([record])
        except Unpublishable as refused:
            _raise_if_a_topic_is_missing(refused)
            self._metrics.refused.inc()
            log.exception("event refused by the broker", topic=record.topic, error_code=refused.code)


def _raise_if_a_topic_is_missing(refused: Unpublishable) -> None:
    """Topics come into being, sooner or later; nothing is given up for that."""
    if refused.details.get("problem") == "unknown topic":
        raise BusUnavailable from refused
