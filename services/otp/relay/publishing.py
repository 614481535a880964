"""Publishes what lies in the outbox, and only then trims the stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.otp.relay.composing import Composer
from services.otp.store import Entry, Outbox, Parked
from shared.bus import Unpublishable
from shared.clock import Clock
from shared.errors import Unavailable
from shared.events import Event, Record, encode
from shared.lifecycle import Tasks

log = structlog.get_logger(__name__)

BATCH = 500
"""Entries of one round trip to the broker: while an import asks a whole state, codes stand in this line as well."""
BREATH = 50
"""Entries composed at a time, some 0.3 ms each: then others of this process have their turn."""
PAUSE_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts while Valkey or the broker is away."""
STOP_SECONDS = 5.0
TIDY_SECONDS = 5.0
SPACING_SECONDS = 0.02
"""Between the beginnings of two batches, so that under load one takes many entries; the first entry after a pause goes
out at once."""


class Publisher(Protocol):
    """What the relay needs of the bus."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Raises BusUnavailable, Unpublishable."""


class RelayMetrics:
    """What the relay counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.waiting = Gauge("boothline_outbox_waiting", "Events not published", registry=registry)
        self.age = Gauge("boothline_outbox_oldest_seconds", "Age of the oldest event not published", registry=registry)
        self.published = Counter("boothline_outbox_published_total", "Events published", registry=registry)
        self.parked = Counter("boothline_outbox_refused_total", "Events set aside: never published", registry=registry)


class Relay:
    """One relay of a group; any number may run at once, since consumers compare versions and know message ids."""

    def __init__(
        self, outbox: Outbox, composer: Composer, publisher: Publisher, metrics: RelayMetrics, clock: Clock
    ) -> None:
        """Opens nothing."""
        self._outbox = outbox
        self._composer = composer
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._failures = 0
        self._waiting = False
        self._stopping = False

    @asynccontextmanager
    async def running(self, tasks: Tasks, name: str) -> AsyncIterator[None]:
        """Publishes until the block is left, and then ends what it has begun: what a relay leaves taken but not
        published waits until it counts as dead."""
        task = tasks.spawn(self.run(), name)
        try:
            yield
        finally:
            self._stopping = True
            if not self._waiting:
                await asyncio.wait({task}, timeout=STOP_SECONDS)
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS)

    async def run(self) -> None:
        """Publish for ever. What is in the way (Valkey, broker) is waited for."""
        while not self._stopping:
            try:
                await self._outbox.prepare(self._clock())
                await self._relay()
            except Unavailable as error:
                self._waiting = False
                pause = PAUSE_SECONDS[min(self._failures, len(PAUSE_SECONDS) - 1)]
                self._failures += 1
                log.warning("relay waits", error_code=error.code, reason=error.message, seconds=pause)
                with contextlib.suppress(Unavailable):
                    await self._measure()  # what waits is never of more interest than now
                await asyncio.sleep(pause)

    async def _relay(self) -> None:
        while await self.publish(await self._outbox.unfinished(BATCH)):
            self._failures = 0
        clock, tidied = asyncio.get_running_loop().time, 0.0
        while not self._stopping:
            if clock() - tidied > TIDY_SECONDS:
                tidied = clock()
                await self.publish(await self._outbox.take_over(BATCH))
                await self._outbox.forget_dead()
                await self._measure()
            self._waiting = True
            entries = await self._outbox.take(BATCH)
            self._waiting = False
            began = clock()
            await self.publish(entries)
            self._failures = 0
            if len(entries) < BATCH:
                await asyncio.sleep(max(0.0, began + SPACING_SECONDS - clock()))

    async def _measure(self) -> None:
        waiting, oldest = await self._outbox.waiting()
        self._metrics.waiting.set(waiting)
        self._metrics.age.set(max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0)

    async def publish(self, entries: Sequence[Entry]) -> int:
        """Publish these, in order, then settle them. Raises Unavailable, and then they stay unfinished."""
        if not entries:
            return 0
        built: list[tuple[Entry, Event]] = []
        parked: list[Parked] = []
        for number, entry in enumerate(entries, 1):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            try:
                built.append((entry, self._composer.event(entry)))
            except (KeyError, ValueError, TypeError) as error:
                parked.append(Parked(entry, type(error).__name__))
        parked += await self._send(built)
        unsent = {each.entry.id for each in parked}
        done = [entry for entry in entries if entry.id not in unsent]
        await self._outbox.settle(done, parked, self._clock())
        self._metrics.published.inc(len(done))
        for each in parked:
            self._metrics.parked.inc()
            log.error("outbox entry set aside", event_type=each.entry.type, problem=each.problem)
        return len(entries)

    async def _send(self, built: Sequence[tuple[Entry, Event]]) -> list[Parked]:
        records = [encode(event, entry.trace) for entry, event in built]
        try:
            await self._publisher.publish(records)
        except Unpublishable:
            return [each for entry, event in built if (each := await self._send_alone(entry, event))]
        return []

    async def _send_alone(self, entry: Entry, event: Event) -> Parked | None:
        try:
            await self._publisher.publish([encode(event, entry.trace)])
        except Unpublishable as error:
            return Parked(entry, error.code)
        return None
