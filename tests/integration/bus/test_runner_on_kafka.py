"""Invariants of the runner that need the client's real behaviour."""

import asyncio
import random  # noqa: TID251 # a seeded simulation
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from shared.bus import Connection, Consumer, Context, Place, Producer, Received
from shared.bus.ownership import Ownership
from shared.clock import utc_now
from shared.events import PEOPLE, PersonErased, encode
from shared.lifecycle import Tasks
from tests.contract.bus.scenery import Heard, erased, until

pytestmark = pytest.mark.timeout(900)


class _SlowToAssign(Ownership):
    """Is not done with the partitions that came before the first records of them are there."""

    assigning = False
    early: asyncio.Event

    async def assigned(self, places: Collection[Place]) -> None:
        self.assigning = True
        await self.early.wait()
        self.assigning = False
        await super().assigned(places)

    async def arrived(self, records: Collection[Received]) -> None:
        if records and self.assigning:
            self.early.set()
        await super().arrived(records)


async def test_invariant_07_records_that_kafka_s_client_hands_out_before_the_callback_ends_are_handled_after_it(
    connection: Connection, producer: Producer
) -> None:
    handled: list[Received] = []

    async def handle(record: Received, _: object) -> None:
        assert not owned.assigning
        handled.append(record)

    await producer.publish([encode(erased(number)) for number in range(100)])
    member = connection.member("group", [PEOPLE])
    async with Tasks() as tasks:
        owned = _SlowToAssign("group", tasks, handle=handle, patience=lambda: 1.0, counted=lambda: None)
        owned.early = asyncio.Event()
        owned.member = member
        await member.start(owned)

        async def poll() -> None:
            places = [Place(PEOPLE.name, number) for number in range(12)]
            while len({(record.place, record.offset) for record in handled}) < 100:
                await owned.arrived(await member.poll(places, 500, 0.2))

        async with asyncio.timeout(45):  # below the time after which the group goes on without this member
            await poll()
        await owned.close()
        await member.stop()
    assert owned.early.is_set()  # else this test shows nothing
    assert len({(record.place, record.offset) for record in handled}) == 100


async def test_invariant_12_a_blocked_handler_receives_about_the_payload_once(
    connection: Connection, producer: Producer, stack: AsyncExitStack, received_bytes: list[int]
) -> None:
    heard = Heard()
    heard.gate.clear()
    padding = (("x-padding", b"." * 4000),)
    records = [encode(erased(number)) for number in range(3000)]
    await producer.publish([type(r)(r.topic, r.key, r.value, (*r.headers, *padding)) for r in records])
    payload = 3000 * 4700
    received_bytes.clear()
    consumer = Consumer(connection, "group", {PersonErased: heard}, clock=utc_now, window=50)
    await stack.enter_async_context(consumer)
    await consumer.joined()
    await until(lambda: consumer.health.in_flight > 500)
    assert await _steady(consumer) < 3000
    heard.gate.set()
    await until(lambda: len(heard.finished) >= 3000)
    assert sum(received_bytes) < 2 * payload  # pausing instead of filtering received 40 times as much


async def _steady(consumer: Consumer) -> int:
    """Records in flight, once nothing has come for a second."""
    async with asyncio.timeout(90):
        while True:
            held = consumer.health.in_flight
            await asyncio.sleep(1.0)
            if consumer.health.in_flight == held:
                return held


async def test_invariant_01_and_13_under_chaos_nothing_is_lost_and_no_key_overlaps_or_skips(
    connection: Connection, producer: Producer
) -> None:
    await _chaos(connection, producer, seed=1, keys=100, versions=30, changes=("join", "die", "join", "stop"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
async def test_invariant_01_and_13_under_longer_chaos(connection: Connection, producer: Producer, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    changes = ("join", "join", *dice.choices(("join", "stop", "die"), k=12))
    await _chaos(connection, producer, seed=seed, keys=200, versions=150, changes=changes)


async def _chaos(  # sizes of an experiment
    connection: Connection, producer: Producer, *, seed: int, keys: int, versions: int, changes: Sequence[str]
) -> None:
    """Members join, stop and die (handlers cancelled, nothing committed, no goodbye) while records flow."""
    dice = random.Random(seed)  # noqa: S311
    heard: Counter[tuple[UUID, int]] = Counter()
    seen: dict[UUID, int] = defaultdict(int)
    busy: set[UUID] = set()
    faults: list[str] = []

    async def handle(event: PersonErased, _: Context) -> None:
        if event.subject in busy:
            faults.append("overlap")
        busy.add(event.subject)
        try:
            await asyncio.sleep(0.04 * dice.random())
            if event.version > seen[event.subject] + 1:
                faults.append(f"skip from {seen[event.subject]} to {event.version}")
            seen[event.subject] = max(seen[event.subject], event.version)
            heard[event.subject, event.version] += 1
        finally:
            busy.discard(event.subject)

    members: list[Consumer] = []

    async def join() -> None:
        member = Consumer(connection, "group", {PersonErased: handle}, clock=utc_now, lanes=8, drain_timeout=5.0)
        await member.start()
        members.append(member)

    async def publish() -> None:
        for version in range(1, versions + 1):
            await producer.publish([encode(erased(key, version)) for key in range(keys)])
            await asyncio.sleep(len(changes) * 2.5 / versions)

    async def disturb() -> None:
        for change in changes:
            await asyncio.sleep(1.5 + dice.random() * 2)
            if change == "join" or len(members) < 2:
                await join()
                continue
            victim = members.pop(dice.randrange(len(members)))
            await (victim.stop() if change == "stop" else _die(victim))

    await join()
    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        group.create_task(disturb())
    await until(lambda: len(heard) == keys * versions, seconds=400)
    await asyncio.gather(*(member.stop() for member in members))
    assert not faults


async def _die(member: Consumer) -> None:
    """As by SIGKILL: handlers and loops end where they are, nothing is committed, the broker is told nothing."""
    owned, member._owned.assignment = member._owned.assignment, None
    for loop in member._loops:
        loop.cancel()
    if owned is not None:
        await owned.lanes.drain(0.0)
    kafka, member._owned.member = member._owned.member, None
    consumer = kafka._consumer  # type: ignore[union-attr] # reaching for the socket under the port
    consumer._coordinator.generation = -1
    await member.stop()
    await kafka.stop()  # type: ignore[union-attr]
