"""The same stage on memory and on a real broker: the memory broker may stand in for Kafka only where both agree."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from shared.bus import Consumer, MemoryBroker, Outgoing, Producer, Reader, Received, RetryBudget, ensure_topics
from shared.bus.connection import Connection
from shared.events import PersonErased, Topic
from tests.contract.bus.scenery import Heard, clock, outgoing


@dataclass
class Stage:
    """One topic of four partitions, its dead letter topic, a group."""

    broker: Connection | MemoryBroker
    topic: Topic
    group: str
    stack: AsyncExitStack
    producer: Producer
    heard: Heard

    @property
    def reader(self) -> Reader:
        """Looks into the topics."""
        return self.broker.reader()

    async def publish(self, *events: PersonErased) -> None:
        """All of them, in order."""
        await self.producer.send([outgoing(event, self.topic.name) for event in events])

    async def send(self, *records: tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]) -> None:
        """Records of any kind."""
        await self.producer.send([Outgoing(self.topic.name, key, value, tuple(heads)) for key, value, heads in records])

    async def consumer(self, **options: Any) -> Consumer:
        """A member of the group, with its partitions."""
        chosen: dict[str, Any] = {"commit_every": 0.02, "drain_timeout": 20.0, "retry": RetryBudget(first=0.01)}
        chosen |= {"handler": self.heard, "group": self.group} | options
        handler, group = chosen.pop("handler"), chosen.pop("group")
        consumer = Consumer(self.broker, group, {PersonErased: handler}, clock=clock, topics=(self.topic,), **chosen)
        await self.stack.enter_async_context(consumer)
        await consumer.joined()
        return consumer

    async def committed(self) -> int:
        """Records that the group has committed."""
        return sum((await self.reader.committed(self.group, [self.topic])).values())

    async def everything(self, topic: Topic | None = None) -> list[Received]:
        """All records of the topic."""
        return [record async for record in self.reader.read([topic or self.topic])]


@pytest.fixture(params=["memory", "kafka"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """The stage."""
    topic = Topic("people", "registry", partitions=4)
    group = "group"
    broker: Connection | MemoryBroker
    if request.param == "memory":
        broker = MemoryBroker(topics=[topic, topic.dead])
    else:
        prefix = request.getfixturevalue("kafka_prefix")
        topic, group = Topic(f"{prefix}people", "registry", partitions=4), f"{prefix}group"
        ephemeral = request.getfixturevalue("kafka_is_embedded")
        broker = Connection(request.getfixturevalue("kafka_bootstrap"), "tests", ephemeral, delivery_timeout=30.0)
        await ensure_topics(broker, [topic, topic.dead])
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(Producer(broker))
        yield Stage(broker, topic, group, stack, producer, Heard())
