"""Offsets that no consumer ever sees: markers of transactions, records that compaction removed. They do not stall the
commit; and the lag that our gauge shows is what Apache Kafka's own numbers say."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import confluent_kafka
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from prometheus_client import CollectorRegistry

from shared.bus import BusMetrics, Connection, Consumer, Producer, ensure_topics
from shared.clock import utc_now
from shared.events import PersonErased, Topic
from tests.contract.bus.scenery import Heard, erased, outgoing, until

pytestmark = pytest.mark.kafka


class Bystander:
    """What Apache Kafka's own client says about one topic and group."""

    def __init__(self, bootstrap: str, topic: Topic, group: str) -> None:
        """Connects at the first question."""
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._topic, self._group = topic, group
        self._places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]

    @property
    def end(self) -> int:
        """Ends of the log, together."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        found = self._admin.list_offsets(dict.fromkeys(self._places, latest), request_timeout=15)
        return sum(result.result(20).offset for result in found.values())

    @property
    def committed(self) -> int:
        """Committed offsets, together."""
        asked = ConsumerGroupTopicPartitions(self._group, self._places)
        found = self._admin.list_consumer_group_offsets([asked], request_timeout=15)[self._group].result(20)
        return sum(max(place.offset, 0) for place in found.topic_partitions)


class Scene:
    """One topic, one group, a handler that remembers."""

    def __init__(self, bootstrap: str, prefix: str, *, partitions: int) -> None:
        """Nothing is made yet."""
        self.topic = Topic(f"{prefix}people", "registry", partitions=partitions)
        self.group = f"{prefix}group"
        self.connection = Connection(bootstrap, "tests")
        self.bystander = Bystander(bootstrap, self.topic, self.group)
        self.metrics = BusMetrics(CollectorRegistry())
        self.heard = Heard()

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator[Consumer]:
        """A member with its partitions."""
        made = Consumer(
            self.connection, self.group, {PersonErased: self.heard}, clock=utc_now, topics=(self.topic,),
            commit_every=0.02, drain_timeout=1.0, metrics=self.metrics,
        )  # fmt: skip
        async with made:
            await made.joined()
            yield made

    @property
    def gauge(self) -> float:
        """Our own lag."""
        (family,) = self.metrics.lag.collect()
        return sum(sample.value for sample in family.samples)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what only the broker knows."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 # only the broker knows
            await asyncio.sleep(0.1)


async def test_invariant_19_markers_and_aborted_transactions_do_not_stall_the_commit(
    kafka_bootstrap: str, kafka_prefix: str
) -> None:
    scene = Scene(kafka_bootstrap, kafka_prefix, partitions=2)
    await ensure_topics(scene.connection, [scene.topic, scene.topic.dead])
    wanted = await asyncio.to_thread(_transactions, kafka_bootstrap, scene.topic.name, kafka_prefix)
    assert scene.bystander.end > sum(wanted.values())  # markers and aborted records take offsets
    async with scene.consumer():
        await until(lambda: Counter(scene.heard.finished) >= wanted)
        last = scene.bystander.end - scene.topic.partitions  # behind the last record of each is its marker
        await eventually(lambda: scene.bystander.committed >= last)
    assert max(Counter(scene.heard.finished).values()) == 1
    async with scene.consumer(), Producer(scene.connection) as producer:
        await producer.send([outgoing(erased("later"), scene.topic.name)])
        await until(lambda: scene.heard.versions("later"))
    assert max(Counter(scene.heard.finished).values()) == 1


def _transactions(bootstrap: str, topic: str, name: str) -> Counter[tuple[UUID, int]]:
    """Transactions that end either way; the events of those that were committed."""
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "transactional.id": name, "log_level": 0})
    producer.init_transactions(30)
    committed: Counter[tuple[UUID, int]] = Counter()
    for number in range(12):
        producer.begin_transaction()
        events = [erased(f"{number} {key}") for key in range(10)]
        for event in events:
            record = outgoing(event, topic)
            producer.produce(topic, record.value, record.key, headers=[*record.headers])
        if number % 3 == 1:
            producer.flush(30)  # else an abort would take them back before they are written
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            committed.update((event.subject, event.version) for event in events)
    return committed


async def test_invariant_19_what_compaction_removed_does_not_stall_the_commit(
    kafka_bootstrap: str, kafka_prefix: str
) -> None:
    scene = Scene(kafka_bootstrap, kafka_prefix, partitions=1)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})
    compacting = {"cleanup.policy": "compact", "segment.ms": "20", "min.cleanable.dirty.ratio": "0.001"}
    admin.create_topics([NewTopic(scene.topic.name, 1, 1, config=compacting)])[scene.topic.name].result(20)
    async with Producer(scene.connection) as producer, scene.connection.reader() as reader:
        written = 0
        async with asyncio.timeout(120):
            while True:  # the newest segment is never compacted: every round begins another
                await producer.send([outgoing(erased(key, written + 1), scene.topic.name) for key in range(10)])
                written += 10
                await asyncio.sleep(0.2)
                left = [record.offset async for record in reader.read([scene.topic])]
                if len(left) < written - 20:
                    break
        assert left != [*range(left[0], left[0] + len(left))] or left[0] > 0
        async with scene.consumer():
            await until(lambda: len(scene.heard.finished) >= 10)
            await eventually(lambda: scene.bystander.committed == written)


async def test_invariant_24_the_gauge_of_the_lag_is_the_end_of_the_log_minus_the_committed_offset(
    kafka_bootstrap: str, kafka_prefix: str
) -> None:
    scene = Scene(kafka_bootstrap, kafka_prefix, partitions=3)
    await ensure_topics(scene.connection, [scene.topic, scene.topic.dead])
    scene.heard.gate.clear()
    scene.heard.blocked = {erased("slow").subject}

    def truth() -> int:
        return scene.bystander.end - scene.bystander.committed

    async with Producer(scene.connection) as producer, scene.consumer():
        await producer.send([outgoing(erased(key), scene.topic.name) for key in range(50)])
        await producer.send([outgoing(erased("slow"), scene.topic.name)])
        await producer.send([outgoing(erased(key, 2), scene.topic.name) for key in range(50)])
        await until(lambda: len(scene.heard.finished) == 100)
        await eventually(lambda: scene.gauge == truth() > 1)
        scene.heard.gate.set()
        await eventually(lambda: scene.gauge == truth() == 0)
