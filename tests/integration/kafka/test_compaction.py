"""A topic that Apache Kafka has compacted: offsets are missing in it, and the commit goes on over them."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from shared.bus import Connection, Consumer, Producer, Reader
from shared.clock import utc_now
from shared.events import PersonErased, Topic
from tests.contract.bus.scenery import Heard, erased, outgoing, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

KEYS = 10
_COMPACTING = {"cleanup.policy": "compact", "segment.ms": "20", "min.cleanable.dirty.ratio": "0.001"}


@pytest.fixture
def topic(kafka_bootstrap: str, kafka_prefix: str) -> Topic:
    """One partition that is compacted as soon as there is anything to compact."""
    made = Topic(f"{kafka_prefix}people", "registry", partitions=1)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(made.name, 1, 1, config=_COMPACTING)])[made.name].result(60)
    return made


async def test_invariant_19_what_compaction_removed_does_not_stall_the_commit(
    kafka_bootstrap: str, kafka_prefix: str, topic: Topic
) -> None:
    connection, heard, group = Connection(kafka_bootstrap, "tests"), Heard(), f"{kafka_prefix}group"
    async with Producer(connection) as producer, connection.reader() as reader, asyncio.timeout(600):
        written = await _written_and_compacted(producer, reader, topic)
        consumer = Consumer(connection, group, {PersonErased: heard}, clock=utc_now, topics=(topic,))
        async with consumer:
            await until(lambda: all(heard.versions(key)[-1:] == [written // KEYS] for key in range(KEYS)), 300)
            while sum((await reader.committed(group, [topic])).values()) != written:  # noqa: ASYNC110 # no event
                await asyncio.sleep(0.1)
        assert len(heard.finished) < written


async def _written_and_compacted(producer: Producer, reader: Reader, topic: Topic) -> int:
    """Write version after version of all keys until old ones are gone; records written. The newest segment is never
    compacted, so every round begins another."""
    version = 0
    while True:
        version += 1
        await producer.send([outgoing(erased(key, version), topic.name) for key in range(KEYS)])
        left = len([record async for record in reader.read([topic])])
        if left < (version - 2) * KEYS:
            return version * KEYS
        await asyncio.sleep(0.2)
