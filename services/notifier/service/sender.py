"""The sending engine of one lane: claims, feeds its workers, stops without losing what is in flight."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, Self
from uuid import UUID

import structlog

from services.notifier.domain.delivery import Settlement
from services.notifier.domain.routing import OPT_OUT
from services.notifier.service.metrics import Metrics
from services.notifier.service.sending import Claimed, Ledgering, Parts, Sending
from shared.batching import Batcher
from shared.clock import Clock
from shared.errors import Failure
from shared.events import Channel, DeliveryEvent, Lane
from shared.lifecycle import Tasks, Wakeup

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""From the intent to the outcome: a call takes at most 10 s, its outcome is written for up to 15 s more."""
VISIBLE = {Lane.URGENT: timedelta(seconds=8), Lane.BULK: timedelta(seconds=60)}
"""From the claim to the intent: waiting in our queue and for a place under the limits. It is also what a message
loses whose claimer is killed, hence short where a person waits."""
POLL_SECONDS = 1.0
"""Safety net: wake-ups of other processes are not heard, and messages become due by time."""
DRAIN_SECONDS = 20.0
"""On a stop: the longest call plus the writing of its outcome, with room."""
ROWS = 256
"""Of one statement: a commit costs about as much as ten rows, so more gains little."""
LEASE_CHECK_SECONDS = 2.0
"""Beside a lease of 30 s the delay does not matter."""


class Sender:
    """Sends the messages of one lane with `workers` calls at once; holds at most twice as many messages."""

    def __init__(self, parts: Parts, lane: Lane, *, workers: int, lease: timedelta = LEASE) -> None:
        """`workers` are this lane's own, so bulk work never takes an urgent message's turn."""
        self._parts = parts
        self._lane = lane
        self._workers = workers
        self._lease = lease
        self._queue: asyncio.Queue[Claimed] = asyncio.Queue(maxsize=workers)
        stamps: Batcher[Settlement, bool] = Batcher(self._stamp, limit=ROWS)
        outcomes: Batcher[Settlement, bool] = Batcher(self._settle, limit=ROWS)
        self._sending = Sending(parts, Ledgering(stamps, outcomes))
        self._own = Tasks()
        self._loops: list[asyncio.Task[None]] = []
        self._held: set[UUID] = set()
        self._more = False
        self.wakeup = Wakeup()

    async def __aenter__(self) -> Self:
        name = self._lane.value
        self._loops = [self._own.spawn(self._work(), f"{name} sender {n}") for n in range(self._workers)]
        self._loops.append(self._own.spawn(self._feed(), f"{name} feed"))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take nothing more, let calls under way end and write their outcome, give the rest back unsent."""
        self._sending.stopping = True
        for task in self._loops:
            if task not in self._sending.calling:
                task.cancel()
        if self._loops:
            await asyncio.wait(self._loops, timeout=DRAIN_SECONDS)
        with contextlib.suppress(Failure):
            await self._parts.ledger.release(self._held, self._parts.clock())
        await self._own.__aexit__(None, None, None)

    async def crashed(self) -> None:
        """Wait until a loop dies, then raise its exception."""
        await self._own.crashed()

    async def _feed(self) -> None:
        while True:
            room = self._workers - self._queue.qsize()
            try:
                claimed = await self._claim(room) if room else 0
            except Failure as failure:
                log.warning("claiming failed", lane=self._lane.value, error_code=failure.code)
                claimed = 0
            self._more = claimed == room
            if claimed < max(room, 1):
                await self.wakeup.wait(POLL_SECONDS)

    async def _claim(self, room: int) -> int:
        ledger = self._parts.ledger
        now, visible = self._parts.clock(), VISIBLE[self._lane]
        messages = await ledger.claim(self._lane, room, now, visible)
        self._held.update(message.id for message in messages)
        prints = {print_ for message in messages for print_ in message.prints}
        links = await ledger.links(prints) if prints and Channel.TELEGRAM in self._parts.channels else []
        by_print = {print_: link for link in links for print_ in link.prints}
        news = {print_ for message in messages if message.template == OPT_OUT for print_ in message.prints}
        opted_out = await ledger.opted_out(news) if news else set()
        for message in messages:
            link = next((by_print[print_] for print_ in message.prints if print_ in by_print), None)
            await self._queue.put(Claimed(message, now + visible, link, not opted_out.isdisjoint(message.prints)))
        return len(messages)

    async def _work(self) -> None:
        while not self._sending.stopping:
            claimed = await self._queue.get()
            if self._more and self._queue.empty():
                self.wakeup.wake()  # the feed sleeps while there is no room; now there is
            try:
                await self._sending.deliver(claimed)
            except Failure as failure:
                # Before the intent nothing was sent and the row comes back by itself; after it the lease decides.
                log.warning("delivery interrupted", lane=self._lane.value, error_code=failure.code)
            self._held.discard(claimed.message.id)

    async def _stamp(self, stamps: Sequence[Settlement]) -> list[bool]:
        return await self._parts.ledger.stamp(stamps, self._parts.clock(), self._lease)

    async def _settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        written = await self._parts.ledger.settle(settlements, self._parts.clock())
        self._parts.stated()
        if any(settlement.falls_back for settlement in settlements):
            self.wakeup.wake()
        return written


class Leases(Protocol):
    """What was being sent when its process died."""

    async def overdue(self, limit: int, now: datetime) -> list[DeliveryEvent]:
        """State those as unknown whose lease ran out."""

    async def again(self, limit: int, now: datetime) -> int:
        """Queue announcements once more that stayed unknown."""


async def watch_leases(leases: Leases, clock: Clock, stated: Callable[[], None], metrics: Metrics) -> None:
    """Every few seconds, state as unknown what was being sent when its process died, and give announcements that
    stayed unknown their second and last chance."""
    while True:
        await asyncio.sleep(LEASE_CHECK_SECONDS)
        try:
            events = await leases.overdue(100, clock())
            resent = await leases.again(100, clock())
        except Failure as failure:
            log.warning("lease check failed", error_code=failure.code)
            continue
        metrics.resent.inc(resent)
        for event in events:
            metrics.sends.labels(event.provider, event.channel.value, event.lane.value, "unknown").inc()
        if events:
            log.warning("leases ran out", count=len(events))
            stated()
