"""Outbox to topics: claim, publish with acks from all, mark; woken at commit, and polling as a safety net."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.bus import BusUnavailable, Unpublishable
from shared.clock import Clock
from shared.errors import Unavailable
from shared.events import Record
from shared.lifecycle import Wakeup

log = structlog.get_logger(__name__)

BATCH = 500
"""Rows of one step: one call of the producer; small enough that a kill repeats few."""
TOO_LARGE = frozenset({"too large", "MessageSizeTooLargeError", "RecordListTooLargeError"})
"""What an event itself is at fault for. A topic that is missing, or not ours to write to, passes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `spacing`: between the beginnings of two steps, so that under load one step takes many events; the
    first event after a pause goes out at once. `poll`: how long a commit of another process waits at most. `pause`:
    after the broker or the database did not answer. `watch`: between looks at broker and gauges, `sweep` between
    deletions of what is over."""

    spacing: float = 0.02
    poll: float = 0.5
    pause: float = 1.0
    watch: float = 5.0
    sweep: float = 600.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not published: rows (perhaps counted up to a limit), since when, and how many never will be."""

    rows: int
    oldest: datetime | None
    parked: int = 0


class Claim(Protocol):
    """Rows that this relay has in hand while its block lasts."""

    @property
    def records(self) -> Sequence[Record]:
        """What they are published as, in order."""

    @property
    def stated_at(self) -> Sequence[datetime]:
        """When each was stated."""

    async def published(self, positions: Sequence[int], now: datetime) -> None:
        """Mark the records at these positions."""

    async def refused(self, position: int, problem: str, now: datetime) -> None:
        """Park a record that the broker never takes, with the reason, so that it holds up nothing."""


class Outbox(Protocol):
    """A service's outbox. All raise Unavailable when the database does not answer."""

    def claim(self, limit: int) -> AbstractAsyncContextManager[Claim]:
        """At most `limit` unpublished rows, urgent ones first; given back when the block raises."""

    async def waiting(self) -> Waiting:
        """How much is waiting."""

    async def meet(self, cluster_id: str, now: datetime) -> int:
        """Note the broker's cluster; if another one was seen before, what it was told is unpublished again (decision
        22). Returns how many events."""

    async def sweep(self, now: datetime) -> None:
        """Delete what is over, of the outbox and of all that is swept beside it."""


class Publishes(Protocol):
    """The bus's producer."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when all are acknowledged. Raises BusUnavailable, Unpublishable."""


class RelayMetrics:
    """What dashboards see of the outbox."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.waiting = Gauge("boothline_outbox_waiting", "Events not published", registry=registry)
        self.age = Gauge("boothline_outbox_oldest_seconds", "Age of the oldest event not published", registry=registry)
        self.published = Counter("boothline_outbox_published_total", "Events published", registry=registry)
        self.delay = Histogram(
            "boothline_outbox_delay_seconds", "From an event's time to its publishing", registry=registry
        )
        self.refused = Counter("boothline_outbox_refused_total", "Events the broker never takes", registry=registry)
        self.parked = Gauge(
            "boothline_outbox_parked", "Events kept aside because the broker never takes them", registry=registry
        )


class Relay:
    """Publishes an outbox. A kill between publishing and marking repeats events under the same event id; consumers
    count them once."""

    def __init__(
        self,
        outbox: Outbox,
        producer: Publishes,
        *,
        cluster_id: Callable[[], Awaitable[str]],
        wakeup: Wakeup,
        clock: Clock,
        metrics: RelayMetrics,
        pace: Pace | None = None,
    ) -> None:
        """Nothing is opened. `cluster_id` asks the broker; it raises BusUnavailable."""
        self._outbox = outbox
        self._producer = producer
        self._cluster_id = cluster_id
        self._wakeup = wakeup
        self._clock = clock
        self._metrics = metrics
        self._pace = pace or Pace()

    async def run(self) -> None:
        """Publish until cancelled. An outage is waited out: everything stays in the outbox."""
        time = asyncio.get_running_loop().time
        while True:
            began = time()
            try:
                full = await self.step() >= BATCH
            except Unavailable as failure:
                log.warning("relay waits", error_code=failure.code, reason=failure.message)
                await asyncio.sleep(self._pace.pause)
                continue
            if not full:
                await self._wakeup.wait(self._pace.poll)
                await asyncio.sleep(max(0.0, began + self._pace.spacing - time()))

    async def step(self) -> int:
        """Publish one batch; returns its size. Raises BusUnavailable and what the outbox raises: then what is not
        marked is published again."""
        async with self._outbox.claim(BATCH) as claim:
            if claim.records:
                await self._publish(claim)
        return len(claim.records)

    async def _publish(self, claim: Claim) -> None:
        """All in one call. Where one is too large, it is parked and the others go out: its place is known when our own
        limit finds it; when the broker does, each is tried alone."""
        left = list(range(len(claim.records)))
        while left:
            try:
                await self._producer.publish([claim.records[position] for position in left])
            except Unpublishable as failure:
                _raise_unless_too_large(failure)
                found = failure.details.get("position")
                if isinstance(found, int):
                    await self._park(claim, left.pop(found), failure)
                    continue
                left = await self._publish_singly(claim, left)
            await self._mark(claim, left)
            return

    async def _publish_singly(self, claim: Claim, positions: Sequence[int]) -> list[int]:
        taken = []
        for position in positions:
            try:
                await self._producer.publish([claim.records[position]])
            except Unpublishable as failure:
                _raise_unless_too_large(failure)
                await self._park(claim, position, failure)
            else:
                taken.append(position)
        return taken

    async def _mark(self, claim: Claim, positions: Sequence[int]) -> None:
        now = self._clock()
        await claim.published(positions, now)
        self._metrics.published.inc(len(positions))
        for position in positions:
            self._metrics.delay.observe(max(0.0, (now - claim.stated_at[position]).total_seconds()))

    async def _park(self, claim: Claim, position: int, failure: Unpublishable) -> None:
        await claim.refused(position, failure.message, self._clock())
        self._metrics.refused.inc()
        self._metrics.parked.inc()
        log.error(
            "event parked: the broker never takes it", topic=claim.records[position].topic, reason=failure.message
        )

    async def watch(self) -> None:
        """Look which broker it is, keep the gauges current and sweep now and then, until cancelled."""
        swept: datetime | None = None
        while True:
            now = self._clock()
            try:
                await self.meet_broker()
                await self.measure()
                if swept is None or (now - swept).total_seconds() >= self._pace.sweep:
                    await self._outbox.sweep(now)
                    swept = now
            except Unavailable as failure:
                log.warning("housekeeping waits", error_code=failure.code, reason=failure.message)
            await asyncio.sleep(self._pace.watch)

    async def meet_broker(self) -> int:
        """Publish again what is kept when the broker is another one than last time (decision 22); returns how many
        events. Raises BusUnavailable and what the outbox raises."""
        again = await self._outbox.meet(await self._cluster_id(), self._clock())
        if again:
            log.warning("another broker: publishing again", events=again)
            self._wakeup.wake()
        return again

    async def measure(self) -> None:
        """Set the gauges."""
        waiting = await self._outbox.waiting()
        self._metrics.waiting.set(waiting.rows)
        self._metrics.parked.set(waiting.parked)
        age = (self._clock() - waiting.oldest).total_seconds() if waiting.oldest else 0.0
        self._metrics.age.set(max(0.0, age))


def _raise_unless_too_large(failure: Unpublishable) -> None:
    """A topic that is missing or may not be written to is somebody's to put right: the event waits."""
    if failure.details.get("problem") not in TOO_LARGE:
        raise BusUnavailable from failure
