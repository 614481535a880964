"""One message on its way: route, render, wait for a place, write the intent, call, write the outcome."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from services.notifier.domain.delivery import NO_PROVIDER, Settlement
from services.notifier.domain.failures import Doubt, GiveUp, Requeue, SendFailure, decide
from services.notifier.domain.message import Accepted, Link, Message, Outgoing, State
from services.notifier.domain.ports import Channel, Ledger, Pacer
from services.notifier.domain.routing import route
from services.notifier.service.metrics import Metrics
from services.notifier.service.opening import Opener
from shared.clock import Clock
from shared.errors import Failure
from shared.events import Channel as ChannelName
from shared.events import Lane, Reason
from shared.telemetry import UNTRACED, Call, Tracing, carry

log = structlog.get_logger(__name__)

PATIENCE = 20.0
"""Seconds that a message waits for a place under the limits before its row waits instead."""
URGENT_WAIT = 30.0
"""Seconds: a pause that long takes too much of a code's ten minutes when there is another way."""
MARGIN = timedelta(seconds=1)
"""Of a claim that must be left when the intent is written: else the row is claimed again and costs two places."""
OUTCOME_SECONDS = 15.0
"""Seconds for which writing an outcome is tried: what happened is known here alone, and the lease allows it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every lane sends with."""

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
    tracing: Tracing = UNTRACED


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours for a while, with what routing needs to know of its recipient."""

    message: Message
    until: datetime
    """From then on others may claim it, too; the intent decides who has it."""
    link: Link | None = None
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Ledgering:
    """The two writes of a send; each returns False when another process has decided meanwhile."""

    stamp: Callable[[Settlement], Awaitable[bool]]
    settle: Callable[[Settlement], Awaitable[bool]]


class Sending:
    """Takes single messages through. Every path ends in one outcome, or leaves the row for its lease to decide."""

    def __init__(self, parts: Parts, writes: Ledgering) -> None:
        self._parts = parts
        self._writes = writes
        self.calling: set[asyncio.Task[None]] = set()
        """Tasks between intent and outcome: a stop lets them finish."""
        self.stopping = False

    async def deliver(self, claimed: Claimed) -> None:
        """Take one message as far as it goes now. Raises a Failure when a store is away."""
        message, parts = claimed.message, self._parts
        carry(message.traceparent)  # for what is logged of it
        if self._expired(message):
            await self._close(message, Reason.EXPIRED)
            return
        chosen = self._route(claimed, message)
        if isinstance(chosen, Reason):
            await self._close(message, chosen)
            return
        channel = parts.channels[chosen]
        outgoing = await self._render(claimed, channel)
        if outgoing is None:
            return
        left = (claimed.until - MARGIN - parts.clock()).total_seconds()
        if left <= 0:
            return  # waited too long in our queue; the row comes back by itself
        wait = await parts.pacer.acquire(
            channel.credential, channel.chat(outgoing), message.lane, cost=outgoing.parts, at_most=min(PATIENCE, left)
        )
        if wait:
            await self._wait(claimed, channel, wait)
        elif self._expired(message):
            await self._close(message, Reason.EXPIRED)
        elif not self.stopping:
            await self._send(claimed, channel, outgoing)

    async def _wait(self, claimed: Claimed, channel: Channel, seconds: float) -> None:
        """No place for longer than a message waits in memory: its row waits, but a code takes the next channel."""
        message, now = claimed.message, self._parts.clock()
        if self._too_long(claimed, message, channel, seconds):
            await self._fall_back(message, channel, Reason.PROVIDER_DOWN, now)
            return
        later = now + timedelta(seconds=seconds)
        await self._end(message, channel, "throttled", State.QUEUED, not_before=later)

    async def _render(self, claimed: Claimed, channel: Channel) -> Outgoing | None:
        message = claimed.message
        try:
            return channel.render(self._parts.opener.letter(message, _chat(claimed, channel)))
        except SendFailure as failure:
            await self._failed(claimed, message, channel, failure)
        except Exception as error:  # whatever a message holds, it fails alone
            log.warning("message cannot be rendered", message_id=str(message.id), exc_info=error)
            await self._close(message, Reason.REJECTED)
        return None

    async def _send(self, claimed: Claimed, channel: Channel, outgoing: Outgoing) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.calling.add(task)
        try:
            intent = Settlement(claimed.message, State.SENDING, channel.name, channel.provider, parts=outgoing.parts)
            if not await self._writes.stamp(intent):
                self._count(channel, claimed.message, "not_mine")
                return
            message = claimed.message
            sent = replace(message, state=State.SENDING, tries=message.tries + 1)
            try:
                accepted = await self._call(message, channel, outgoing)
            except SendFailure as failure:
                await self._failed(claimed, sent, channel, failure)
                return
            except Exception as error:  # a fault of ours in the middle of a call is a doubt
                log.warning("call broke", message_id=str(message.id), exc_info=error)
                await self._end(sent, channel, "unknown", State.UNKNOWN)
                return
            count = accepted.parts or outgoing.parts
            await self._end(sent, channel, "accepted", State.ACCEPTED, reference=accepted.reference, parts=count)
        finally:
            self.calling.discard(task)

    async def _call(self, message: Message, channel: Channel, outgoing: Outgoing) -> Accepted:
        lane = message.lane.value
        call = Call(channel.name.value, channel.provider, lane, message.id, message.created_at)
        with self._parts.tracing.calling(call, message.traceparent):
            return await channel.send(outgoing)

    async def _failed(self, claimed: Claimed, message: Message, channel: Channel, failure: SendFailure) -> None:
        """Do what the rules decide about a failure; this is the only place that does."""
        now = self._parts.clock()
        if failure.alarms:
            log.error("provider refuses us", provider=channel.provider, provider_code=failure.details["provider_code"])
        match decide(failure, message.transient, now, self._parts.jitter()):
            case Doubt():
                await self._end(message, channel, "unknown", State.UNKNOWN)
            case Requeue(not_before, counts, pause):
                if pause is not None:
                    with contextlib.suppress(Failure):  # the next 429 pauses it; this outcome must be written
                        await self._parts.pacer.pause(channel.credential, pause)
                if self._too_long(claimed, message, channel, pause or 0.0):
                    await self._fall_back(message, channel, failure.reason, now)
                    return
                outcome = "requeued" if pause is None else "throttled"
                await self._end(message, channel, outcome, State.QUEUED, not_before=not_before, counts=counts)
            case GiveUp(reason, suppress):
                if self._onward(claimed, message, channel):
                    await self._fall_back(message, channel, reason, now, suppress=suppress)
                else:
                    await self._end(message, channel, "failed", State.FAILED, reason=reason, suppress=suppress)

    def _too_long(self, claimed: Claimed, message: Message, channel: Channel, seconds: float) -> bool:
        """Whether a person would wait that long for what another channel brings at once."""
        return message.lane is Lane.URGENT and seconds > URGENT_WAIT and self._onward(claimed, message, channel)

    def _onward(self, claimed: Claimed, message: Message, channel: Channel) -> bool:
        """Whether there is another channel after this one."""
        return isinstance(self._route(claimed, replace(message, tried=(*message.tried, channel.name))), ChannelName)

    async def _fall_back(
        self, message: Message, channel: Channel, reason: Reason, now: datetime, *, suppress: bool = False
    ) -> None:
        await self._end(
            message, channel, "fallback", State.QUEUED,
            reason=reason, suppress=suppress, falls_back=True, not_before=now,
        )  # fmt: skip

    def _route(self, claimed: Claimed, message: Message) -> ChannelName | Reason:
        available = self._parts.channels.keys()
        return route(message, claimed.link, opted_out=claimed.opted_out, available=available, now=self._parts.clock())

    def _expired(self, message: Message) -> bool:
        return message.not_after is not None and self._parts.clock() >= message.not_after

    async def _close(self, message: Message, reason: Reason) -> None:
        """End a message that is not sent at all."""
        outcome = "expired" if reason is Reason.EXPIRED else "failed"
        await self._write(Settlement(message, State.FAILED, message.channel, message.provider, reason=reason))
        self._parts.metrics.sends.labels(NO_PROVIDER, NO_PROVIDER, message.lane.value, outcome).inc()

    async def _end(self, message: Message, channel: Channel, outcome: str, state: State, **more: object) -> None:
        settlement = Settlement(message, state, channel.name, channel.provider)
        await self._write(replace(settlement, **more))  # type: ignore[arg-type] # fields of Settlement, by name
        self._count(channel, message, outcome)

    async def _write(self, settlement: Settlement) -> None:
        """Write an outcome; tried again while the database is away."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + OUTCOME_SECONDS, 0.1
        while True:
            try:
                await self._writes.settle(settlement)
            except Failure:
                if loop.time() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                return

    def _count(self, channel: Channel, message: Message, outcome: str) -> None:
        self._parts.metrics.sends.labels(channel.provider, channel.name.value, message.lane.value, outcome).inc()


def _chat(claimed: Claimed, channel: Channel) -> int | None:
    """The Telegram chat of the recipient; None for SMS."""
    if channel.name is not ChannelName.TELEGRAM:
        return None
    chat_id = claimed.message.chat_id
    return chat_id if chat_id is not None else (claimed.link.chat_id if claimed.link else None)
