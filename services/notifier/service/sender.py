"""The sending engine of one lane: claim, route, pace, write the intent, call, write the outcome."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

import structlog

from services.notifier.domain.delivery import Settlement
from services.notifier.domain.failures import Class, Decision, Doubt, GiveUp, Requeue, SendFailure, decide
from services.notifier.domain.message import Link, Message, Outgoing, State
from services.notifier.domain.ports import Channel, Ledger, Pacer
from services.notifier.domain.routing import route
from services.notifier.service.gather import Gather
from services.notifier.service.metrics import Metrics
from services.notifier.service.opening import Opener
from shared.clock import Clock
from shared.errors import Failure
from shared.events import Channel as ChannelName
from shared.events import Lane, Reason
from shared.lifecycle import Tasks, Wakeup

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""From the intent to the outcome: a call takes at most 10 s, its outcome is written for up to 15 s more."""
VISIBLE = timedelta(seconds=60)
"""From the claim to the intent: routing, and at most PATIENCE seconds for a place under the limits."""
PATIENCE = 20.0
OUTCOME_SECONDS = 15.0
POLL_SECONDS = 1.0
"""Safety net: wake-ups of other processes are not heard, and messages become due by time."""
DRAIN_SECONDS = 20.0
"""On a stop: the longest call plus the writing of its outcome, with room."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What both lanes share."""

    ledger: Ledger
    pacer: Pacer
    channels: Mapping[ChannelName, Channel]
    opener: Opener
    metrics: Metrics
    clock: Clock
    jitter: Callable[[], float]
    """0..1, spreads retries."""
    stated: Callable[[], None]
    """Something is in the outbox: wakes the relay."""


class Sender:
    """Sends the messages of one lane with `workers` calls at once; holds at most twice as many messages."""

    def __init__(self, parts: Parts, lane: Lane, *, workers: int) -> None:
        """`workers`: a lane of its own, so bulk work never takes an urgent message's turn."""
        self._parts = parts
        self._lane = lane
        self._workers = workers
        self._queue: asyncio.Queue[tuple[Message, Link | None, bool]] = asyncio.Queue(maxsize=workers)
        self._stamp: Gather[Settlement, bool] = Gather(self._write_stamps)
        self._settle: Gather[Settlement, bool] = Gather(self._write_outcomes)
        self._stopping = False
        self._calling: set[asyncio.Task[None]] = set()
        self._own = Tasks()
        self._loops: list[asyncio.Task[None]] = []
        self.wakeup = Wakeup()

    async def __aenter__(self) -> Self:
        name = self._lane.value
        self._own.spawn(self._stamp.run(), f"{name} stamps")
        self._own.spawn(self._settle.run(), f"{name} outcomes")
        self._loops = [self._own.spawn(self._work(), f"{name} sender {n}") for n in range(self._workers)]
        self._loops.append(self._own.spawn(self._feed(), f"{name} feed"))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take nothing more, let calls that are under way end and write their outcome, drop the rest unsent."""
        self._stopping = True
        for task in self._loops:
            if task not in self._calling:
                task.cancel()
        if self._loops:
            await asyncio.wait(self._loops, timeout=DRAIN_SECONDS)
        await self._own.__aexit__(None, None, None)

    async def crashed(self) -> None:
        """Wait until a loop dies, then raise its exception."""
        await self._own.crashed()

    async def _feed(self) -> None:
        while not self._stopping:
            room = self._workers - self._queue.qsize()
            try:
                claimed = await self._claim(room) if room else 0
            except Failure as failure:
                log.warning("claiming failed", lane=self._lane.value, error_code=failure.code)
                claimed = 0
            if claimed < max(room, 1):
                await self.wakeup.wait(POLL_SECONDS)

    async def _claim(self, room: int) -> int:
        ledger = self._parts.ledger
        messages = await ledger.claim(self._lane, room, self._parts.clock(), VISIBLE)
        prints = {print_ for message in messages for print_ in message.prints}
        links = await ledger.links(prints) if prints and ChannelName.TELEGRAM in self._parts.channels else []
        by_print = {print_: link for link in links for print_ in link.prints}
        opted_out = await ledger.opted_out(prints) if prints else set()
        for message in messages:
            link = next((by_print[print_] for print_ in message.prints if print_ in by_print), None)
            await self._queue.put((message, link, not opted_out.isdisjoint(message.prints)))
        return len(messages)

    async def _work(self) -> None:
        while not self._stopping:
            message, link, opted_out = await self._queue.get()
            if self._queue.empty():
                self.wakeup.wake()  # the feed sleeps while it has nothing to fill; now there is room
            try:
                await self._deliver(message, link, opted_out=opted_out)
            except Failure as failure:
                # Before the intent nothing was sent and the row comes back by itself; after it the lease decides.
                log.warning("delivery interrupted", lane=self._lane.value, error_code=failure.code)

    async def _deliver(self, message: Message, link: Link | None, *, opted_out: bool) -> None:
        parts = self._parts
        now = parts.clock()
        if message.not_after is not None and now >= message.not_after:
            await self._close(message, Reason.EXPIRED)
            return
        chosen = route(message, link, opted_out=opted_out, available=parts.channels.keys(), now=now)
        if isinstance(chosen, Reason):
            await self._close(message, chosen)
            return
        channel = parts.channels[chosen]
        try:
            chat = _chat(message, link) if chosen is ChannelName.TELEGRAM else None
            outgoing = channel.render(parts.opener.letter(message, chat))
        except SendFailure as failure:
            await self._after(message, channel, decide(failure, message.transient, now), link, opted_out=opted_out)
            return
        except Failure as failure:
            log.warning("message cannot be opened", message_id=str(message.id), error_code=failure.code)
            await self._close(message, Reason.REJECTED)
            return
        wait = await parts.pacer.acquire(
            channel.credential, channel.chat(outgoing), self._lane, cost=outgoing.parts, at_most=PATIENCE
        )
        if wait:
            await self._park(message, channel, wait)
        elif message.not_after is not None and parts.clock() >= message.not_after:
            await self._close(message, Reason.EXPIRED)
        elif not self._stopping:
            await self._send(message, channel, outgoing, link, opted_out=opted_out)

    async def _send(
        self, message: Message, channel: Channel, outgoing: Outgoing, link: Link | None, *, opted_out: bool
    ) -> None:
        """From the intent to the outcome: the part that a stop lets finish."""
        task = asyncio.current_task()
        assert task is not None
        self._calling.add(task)
        try:
            intent = _settlement(message, State.SENDING, channel, parts=outgoing.parts)
            if not await self._stamp(intent):
                self._count(channel, "not_mine")
                return
            sent = replace(message, state=State.SENDING, tries=message.tries + 1)
            try:
                accepted = await channel.send(outgoing)
            except SendFailure as failure:
                await self._failed(sent, channel, failure, link, opted_out=opted_out)
                return
            parts = accepted.parts or outgoing.parts
            await self._write(_settlement(sent, State.ACCEPTED, channel, reference=accepted.reference, parts=parts))
            self._count(channel, "accepted")
        finally:
            self._calling.discard(task)

    async def _failed(
        self, message: Message, channel: Channel, failure: SendFailure, link: Link | None, *, opted_out: bool
    ) -> None:
        now = self._parts.clock()
        decision = decide(failure, message.transient, now, self._parts.jitter())
        if failure.alarms:
            log.error("channel refuses us", provider=channel.provider, provider_code=failure.details["provider_code"])
        if isinstance(decision, Requeue) and decision.pause is not None:
            await self._parts.pacer.pause(channel.credential, decision.pause)
        await self._after(message, channel, decision, link, opted_out=opted_out)

    async def _after(
        self, message: Message, channel: Channel, decision: Decision, link: Link | None, *, opted_out: bool
    ) -> None:
        match decision:
            case Doubt():
                await self._write(_settlement(message, State.UNKNOWN, channel))
                self._count(channel, "unknown")
            case Requeue(not_before, counts, pause):
                again = _settlement(message, State.QUEUED, channel, not_before=not_before, counts=counts)
                await self._write(again)
                self._count(channel, "throttled" if pause is not None else "requeued")
                self.wakeup.wake()
            case GiveUp(reason, next_channel, suppress):
                tried = replace(message, tried=(*message.tried, channel.name))
                now = self._parts.clock()
                onward = route(tried, link, opted_out=opted_out, available=self._parts.channels.keys(), now=now)
                falls_back = next_channel and isinstance(onward, ChannelName)
                done = _settlement(
                    message,
                    State.QUEUED if falls_back else State.FAILED,
                    channel,
                    reason=reason,
                    falls_back=falls_back,
                    not_before=now if falls_back else None,
                    suppress=suppress,
                )
                await self._write(done)
                self._count(channel, "fallback" if falls_back else "failed")
                self.wakeup.wake()

    async def _park(self, message: Message, channel: Channel, seconds: float) -> None:
        """There is no place under the limits for longer than we wait: the row waits instead."""
        later = self._parts.clock() + timedelta(seconds=seconds)
        await self._write(_settlement(message, State.QUEUED, channel, not_before=later))
        self._count(channel, "throttled")

    async def _close(self, message: Message, reason: Reason) -> None:
        """End a message that is not sent at all."""
        await self._write(Settlement(message, State.FAILED, message.channel, message.provider, reason=reason))
        self._count(None, "expired" if reason is Reason.EXPIRED else "failed")

    async def _write(self, settlement: Settlement) -> bool:
        """Write an outcome; tried again while the database is away, since what happened is known only here."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + OUTCOME_SECONDS
        pause = 0.1
        while True:
            try:
                return await self._settle(settlement)
            except Failure:
                if loop.time() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _write_stamps(self, stamps: Sequence[Settlement]) -> list[bool]:
        return await self._parts.ledger.stamp(stamps, self._parts.clock(), LEASE)

    async def _write_outcomes(self, settlements: Sequence[Settlement]) -> list[bool]:
        written = await self._parts.ledger.settle(settlements, self._parts.clock())
        self._parts.stated()
        return written

    def _count(self, channel: Channel | None, outcome: str) -> None:
        provider = channel.provider if channel else "none"
        name = channel.name.value if channel else "none"
        self._parts.metrics.sends.labels(provider, name, self._lane.value, outcome).inc()


def _chat(message: Message, link: Link | None) -> int | None:
    return message.chat_id if message.chat_id is not None else (link.chat_id if link else None)


def _settlement(message: Message, state: State, channel: Channel, **more: object) -> Settlement:
    return Settlement(message, state, channel.name, channel.provider, **more)  # type: ignore[arg-type] # typed above


async def watch_leases(ledger: Ledger, clock: Clock, stated: Callable[[], None], metrics: Metrics) -> None:
    """Every few seconds, state as unknown what was being sent when its process died."""
    while True:
        await asyncio.sleep(LEASE_CHECK_SECONDS)
        try:
            events = await ledger.overdue(100, clock())
        except Failure as failure:
            log.warning("lease check failed", error_code=failure.code)
            continue
        for event in events:
            metrics.sends.labels(event.provider, event.channel.value, event.lane.value, "unknown").inc()
        if events:
            log.warning("leases ran out", count=len(events))
            stated()


LEASE_CHECK_SECONDS = 2.0
"""Beside a lease of 30 s the delay does not matter."""

__all__ = ["Class", "Parts", "Sender", "watch_leases"]
