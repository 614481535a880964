"""Between our clients and the broker: cut, delayed, swallowed. Every await ends, and everything goes on afterwards.

Those that last run on Apache Kafka only: what they measure is waiting.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.bus import BusUnavailable, Connection, Consumer, Context, Place, Producer, RetryBudget, ensure_topics
from shared.bus.connection import DURABLE, EMBEDDED, Timing
from shared.clock import utc_now
from shared.errors import Conflict
from shared.events import PersonErased, Topic
from shared.lifecycle import Tasks
from stack import ports
from stack.embedded import Binaries, Tansu
from stack.embedded.starting import drive
from stack.folder import RunFolder
from stack.kafka import KafkaCluster
from tests.contract.bus.scenery import Heard, erased, outgoing, until
from tests.integration.bus.proxy import BOTH, Proxy, Way

pytestmark = pytest.mark.timeout(900)

_OUTAGE_SECONDS = 5.0
"""How long the broker is gone where a test says so. Longer changes nothing: everything waits for conditions."""


@dataclass(frozen=True)
class Impatient(Connection):
    """Sees the end of waiting sooner. The embedded broker holds a join for the time of a rebalance."""

    @property
    def timing(self) -> Timing:
        """Shorter."""
        if self.ephemeral:
            return replace(EMBEDDED, rebalance=10, request=15)
        return replace(DURABLE, request=4, session=6, heartbeat=1, stuck=20.0)


@pytest.fixture(scope="module")
def advertised() -> Iterator[int]:
    """Where the proxies of this file listen, one after the other; nobody else gets it between two of them."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((ports.LOOPBACK, 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def upstream(
    request: pytest.FixtureRequest, kafka_is_embedded: bool, run_folder: RunFolder, advertised: int
) -> Iterator[int]:
    """Port of a broker that sends its clients to the proxy."""
    address, label = f"127.0.0.1:{advertised}", f"proxied-{secrets.token_hex(4)}"
    if kafka_is_embedded:
        binaries: Binaries = request.getfixturevalue("binaries")
        tansu = Tansu(binaries.tansu, run_folder, None, label=label, advertised=address)
        drive(tansu.starting())
        assert tansu.child is not None
        yield tansu.port
        tansu.child.end()
        return
    properties = {"advertised.listeners": f"PLAINTEXT://{address}"}
    kafka = KafkaCluster(request.getfixturevalue("apache_jars"), run_folder, name=label, properties=properties)
    try:
        kafka.start()
        yield int(kafka.nodes[0].bootstrap.rpartition(":")[2])
    finally:
        kafka.kill()


@dataclass
class Line:
    """A topic behind a proxy, with a producer and one consumer."""

    proxy: Proxy
    broker: Connection
    topic: Topic
    producer: Producer
    heard: Heard
    stack: AsyncExitStack

    async def publish(self, *events: PersonErased) -> None:
        """In order."""
        await self.producer.send([outgoing(event, self.topic.name) for event in events])

    async def publish_at_last(self, event: PersonErased) -> None:
        """Again and again, as a relay does."""
        async with asyncio.timeout(120):
            while True:
                try:
                    await self.publish(event)
                except BusUnavailable:
                    continue
                return

    async def consumer(self, **options: Any) -> Consumer:
        """A member with all partitions."""
        made = Consumer(
            self.broker, f"{self.topic.name}.group", {PersonErased: self.heard}, clock=utc_now, topics=(self.topic,),
            drain_timeout=2.0, retry=RetryBudget(first=0.01), **options,
        )  # fmt: skip
        await self.stack.enter_async_context(made)
        await made.joined()
        return made

    async def committed(self) -> int:
        """Records that the group has committed."""
        lags = await self.broker.reader().committed(f"{self.topic.name}.group", [self.topic])
        return sum(lags.values())


@pytest.fixture
async def line(advertised: int, upstream: int, kafka_is_embedded: bool, kafka_prefix: str) -> AsyncIterator[Line]:
    """An open one."""
    topic = Topic(f"{kafka_prefix}people", "registry", partitions=2)
    broker = Impatient(f"127.0.0.1:{advertised}", "tests", kafka_is_embedded, delivery_timeout=2.0)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(advertised, upstream).running())
        await ensure_topics(broker, [topic, topic.dead])
        stack.callback(proxy.heal)
        producer = await stack.enter_async_context(Producer(broker))
        yield Line(proxy, broker, topic, producer, Heard(), stack)


@pytest.mark.kafka
@pytest.mark.parametrize("way", Way)
async def test_invariant_10_publishing_into_a_black_hole_ends_as_unknown_and_goes_on_afterwards(
    line: Line, way: Way
) -> None:
    await line.publish_at_last(erased(1))
    line.proxy.swallow(way)
    async with asyncio.timeout(120):
        for _ in range(2):  # also where a new connection has to be made first
            with pytest.raises(BusUnavailable):
                await line.publish(erased(2))
    line.proxy.heal()
    await line.publish_at_last(erased(3))


@pytest.mark.kafka
@pytest.mark.parametrize("way", Way)
async def test_invariant_10_joining_committing_and_leaving_end_in_a_black_hole(line: Line, way: Way) -> None:
    member = line.broker.member(f"{line.topic.name}.group", [line.topic])
    listener = _Listener()
    await member.start(listener)
    await until(lambda: listener.places)
    line.proxy.swallow(way)
    async with asyncio.timeout(180):
        with pytest.raises(BusUnavailable):
            await member.commit(dict.fromkeys(listener.places, 0))
        with pytest.raises(BusUnavailable):
            await line.broker.member("other", [line.topic]).start(_Listener())
        await member.stop()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


class _Listener:
    """Takes what it gets."""

    places: tuple[Place, ...] = ()

    async def revoked(self, *, lost: bool = False) -> None:
        """Nothing is at work."""

    async def assigned(self, places: object) -> None:
        """Remember."""
        self.places = tuple(places)  # type: ignore[arg-type]


@pytest.mark.kafka
async def test_invariant_22_a_consumer_in_a_black_hole_says_so_and_goes_on_when_the_way_is_open_again(
    line: Line,
) -> None:
    consumer = await line.consumer()
    await line.publish_at_last(erased("before"))
    await until(lambda: line.heard.versions("before"))
    line.proxy.swallow(*BOTH)
    await until(lambda: consumer.health.problem == "broker", seconds=120)
    assert not consumer.health.ready
    line.proxy.heal()
    await line.publish_at_last(erased("after"))
    await until(lambda: line.heard.versions("after"), seconds=120)
    await until(lambda: consumer.health.ready, seconds=120)


@pytest.mark.kafka
async def test_invariant_22_a_broker_that_is_not_there_for_a_while_is_waited_for(line: Line) -> None:
    line.proxy.refuse()
    late = Consumer(
        line.broker,
        f"{line.topic.name}.late",
        {PersonErased: Heard()},
        clock=utc_now,
        topics=(line.topic,),
        drain_timeout=2.0,
    )
    async with Tasks() as tasks:
        late._tasks = tasks
        await line.stack.enter_async_context(late)
        await until(lambda: late.health.problem == "broker")
        await asyncio.sleep(_OUTAGE_SECONDS)
        await line.proxy.admit()
        await until(lambda: late.health.ready, seconds=120)
        line.proxy.refuse()
        with pytest.raises(BusUnavailable):
            await line.publish(erased(1))
        await until(lambda: late.health.problem == "broker", seconds=120)
        await line.proxy.admit()
        await until(lambda: late.health.ready, seconds=120)
        await late.stop()


async def test_invariant_21_and_22_connections_cut_under_load_lose_nothing_and_change_no_order(line: Line) -> None:
    await line.consumer()
    for version in range(1, 41):
        for subject in range(5):
            await line.publish_at_last(erased(subject, version))
        if version % 8 == 0:
            line.proxy.cut()
    for subject in range(5):
        await until(lambda subject=subject: 40 in line.heard.versions(subject), seconds=120)  # type: ignore[misc]
        first = list(dict.fromkeys(line.heard.versions(subject)))
        assert first == list(range(1, 41))
    assert line.proxy.accepted > 5


async def test_invariant_22_a_slow_network_is_no_broken_one(line: Line) -> None:
    consumer = await line.consumer()
    line.producer = await line.stack.enter_async_context(Producer(replace(line.broker, delivery_timeout=30.0)))
    line.proxy.delay(0.2)
    for version in range(1, 6):
        await line.publish_at_last(erased("far away", version))
    await until(lambda: 5 in line.heard.versions("far away"))
    assert list(dict.fromkeys(line.heard.versions("far away"))) == [1, 2, 3, 4, 5]
    assert consumer.health.problem != "broker"


@pytest.mark.kafka
@pytest.mark.parametrize("way", Way)
async def test_invariant_04_a_dead_letter_that_is_cut_off_on_its_way_leaves_its_source_uncommitted(
    line: Line, way: Way
) -> None:
    line.heard.gate.clear()
    line.heard.failures[erased("bad").subject] = _conflict
    consumer = await line.consumer()
    await line.publish_at_last(erased("bad"))
    await until(lambda: line.heard.calls)
    line.proxy.swallow(way)
    line.heard.gate.set()
    await until(lambda: consumer.health.waiting_for or consumer.health.problem == "broker", seconds=120)
    assert consumer._owned.assignment is None or not consumer._owned.assignment.due()
    line.proxy.heal()
    async with asyncio.timeout(120):
        while await line.committed() == 0:  # noqa: ASYNC110 # only the broker knows
            await asyncio.sleep(0.1)
    letters = [record async for record in line.broker.reader().read([line.topic.dead])]
    assert letters


def _conflict(_: Context) -> Exception:
    return Conflict()
