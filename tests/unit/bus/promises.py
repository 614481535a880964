"""Promises of the runner as scenarios of counted steps: the tests of the invariants run them on our runner, the tests
of the mutations on runners that break them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from shared.bus import Consumer, MemoryBroker, Outgoing, Producer, RetryBudget
from shared.bus.memory.broker import MemoryMember
from shared.events import PersonErased, Topic
from tests.contract.bus.scenery import Heard, clock, erased, outgoing, until

TOPIC = Topic("people", "registry", partitions=1)
GROUP = "group"


class Scene:
    """One partition in a broker in memory, and members of one group."""

    def __init__(self, stack: AsyncExitStack, broker: MemoryBroker) -> None:
        """Nothing is written or heard yet."""
        self.broker = broker
        self.producer = Producer(broker)
        self.heard = Heard()
        self._stack = stack

    async def write(self, *records: PersonErased | Outgoing) -> None:
        """One after the other into the partition."""
        await self.producer.send([r if isinstance(r, Outgoing) else outgoing(r, TOPIC.name) for r in records])

    async def member(self, **options: Any) -> Consumer:
        """One more, with its share of the partitions. Its own commits are an hour apart: `commit` says when."""
        chosen: dict[str, Any] = {"commit_every": 3600.0, "drain_timeout": 600.0, "retry": RetryBudget(first=0.001)}
        consumer = Consumer(
            self.broker, GROUP, {PersonErased: self.heard}, clock=clock, topics=(TOPIC,), **(chosen | options)
        )
        await self._stack.enter_async_context(consumer)
        await consumer.joined()
        return consumer

    async def commit(self, member: Consumer) -> int:
        """What `member` may commit now it commits; the group's offset afterwards."""
        assert member._owned.assignment is not None
        await member._owned.commit(member._owned.assignment)
        return self.committed

    @property
    def committed(self) -> int:
        """The group's offset."""
        return sum(self.broker.committed(GROUP).values())

    async def kill(self, member: Consumer) -> None:
        """As by SIGKILL: handlers end where they are, nothing is committed; the group notices when its session ends."""
        assignment, member._owned.assignment = member._owned.assignment, None
        for loop in member._loops:
            loop.cancel()
        if assignment is not None:
            for task in assignment.lanes._tasks:
                task.cancel()
        await asyncio.sleep(0)
        wire, member._owned.member = member._owned.member, None
        assert wire is not None
        await wire.stop()


@asynccontextmanager
async def scene(broker: MemoryBroker | None = None) -> AsyncIterator[Scene]:
    """A fresh one."""
    async with AsyncExitStack() as stack:
        made = Scene(stack, broker or MemoryBroker(topics=[TOPIC, TOPIC.dead]))
        try:
            yield made
        finally:
            made.heard.gate.set()  # else a promise that is broken costs a whole drain


async def a_kill_loses_nothing() -> None:
    """1: a record at work is not committed, whatever is finished after it, so after a kill it comes again."""
    async with scene() as on:
        on.heard.gate.clear()
        on.heard.blocked = {erased("slow").subject}
        await on.write(erased("slow"), erased("fast"), erased("faster"))
        first = await on.member()
        await until(lambda: len(on.heard.finished) == 2)
        await on.commit(first)
        await on.kill(first)
        on.heard.gate.set()
        await on.write(erased("last"))
        await on.member()
        await until(lambda: on.heard.versions("last"))
        assert on.heard.versions("slow") == [1], "a record was lost"


async def a_rebalance_repeats_nothing() -> None:
    """6: a revoke waits for what is at work and for what is queued behind it, commits, and only then gives way."""
    async with scene() as on:
        on.heard.gate.clear()
        on.heard.blocked = {erased("slow").subject}
        await on.write(erased("slow"), erased("fast"), erased("slow", 2), erased("faster"))
        first = await on.member()
        await until(lambda: len(on.heard.finished) == 2 and first.health.in_flight == 2)
        revoked = first._owned.revoked

        async def open_the_gate_later(*, lost: bool = False) -> None:
            asyncio.get_running_loop().call_later(0.05, on.heard.gate.set)
            await revoked(lost=lost)

        first._owned.revoked = open_the_gate_later  # type: ignore[method-assign] # strikes inside the revoke
        await on.member()
        await on.write(erased("last"))
        await until(lambda: on.heard.versions("last") and on.heard.versions("slow")[-1:] == [2])
        repeated = {event: count for event, count in Counter(on.heard.finished).items() if count > 1}
        assert not repeated, "a record was handled again"
        assert on.heard.versions("slow") == [1, 2]


async def a_dead_letter_comes_before_its_commit() -> None:
    """4: the source offset does not count before the dead letter is acknowledged."""
    async with scene() as on:
        headers = outgoing(erased(1), TOPIC.name).headers
        await on.write(Outgoing(TOPIC.name, b"poison", b"{", headers), erased("good"))
        on.broker.refuses_records = True
        member = await on.member()
        await until(lambda: on.heard.versions("good") == [1])
        assert await on.commit(member) == 0, "committed without a dead letter"
        on.broker.refuses_records = False
        await until(lambda: on.broker.records(TOPIC.dead.name))
        await until(lambda: member.health.in_flight == 0)
        assert await on.commit(member) == 2


async def a_key_keeps_its_order() -> None:
    """13: a record waits for the one of the same key before it, and for no other."""
    async with scene() as on:
        on.heard.gate.clear()
        on.heard.blocked = {erased("slow").subject}
        await on.write(erased("slow"), erased("slow", 2), *(erased(number) for number in range(5)))
        await on.member()
        await until(lambda: len(on.heard.finished) == 5)
        begun = [event.version for event, _ in on.heard.calls if event.subject == erased("slow").subject]
        assert begun == [1], "two records of one key at once"
        on.heard.gate.set()
        await until(lambda: on.heard.versions("slow") == [1, 2])


class _Counting(MemoryMember):
    """Counts polls, and those that were cancelled: with aiokafka a cancelled poll switches off the check that a member
    still polls, for good."""

    polls = 0
    cancelled = 0

    async def poll(self, *args: Any) -> Sequence[Any]:
        type(self).polls += 1
        try:
            return await super().poll(*args)
        except asyncio.CancelledError:
            type(self).cancelled += 1
            raise


class _CountingBroker(MemoryBroker):
    def member(self, group: str, topics: Sequence[Topic]) -> MemoryMember:
        return _Counting(self, self._group(group), topics)


async def a_poll_is_never_cancelled() -> None:
    """11: a member without records goes on polling, and each poll ends by itself."""
    _Counting.polls = _Counting.cancelled = 0
    async with scene(_CountingBroker(topics=[TOPIC, TOPIC.dead])) as on:
        await on.member()
        await until(lambda: _Counting.polls >= 4)
        assert _Counting.cancelled == 0, "a poll was cancelled"
