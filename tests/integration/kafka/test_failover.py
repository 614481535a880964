"""Three nodes of Apache Kafka, three copies of which two must be written: brokers die, freeze and are restarted in
turn while our producer and our consumer work. Nothing is lost, every key stays in order, work goes on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from confluent_kafka.admin import AdminClient, PartitionMetadata

from shared.bus import Connection, Consumer, Producer, ensure_topics
from shared.clock import utc_now
from shared.events import PersonErased, Topic
from stack.embedded.starting import drive_async
from stack.folder import RunFolder
from stack.kafka import Jars, KafkaCluster, KafkaNode
from tests.integration.kafka.flow import Flow

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster(apache_jars: Jars, run_folder: RunFolder) -> Iterator[KafkaCluster]:
    """Three nodes, running at the beginning of every test."""
    kafka = KafkaCluster(apache_jars, run_folder, nodes=3, name="three")
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.kill()


class Site:
    """The cluster as an operator sees it."""

    def __init__(self, cluster: KafkaCluster, topic: Topic, group: str) -> None:
        """Connects at the first question."""
        self.cluster, self.topic, self.group = cluster, topic, group
        self._admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})

    @property
    def coordinator(self) -> KafkaNode:
        """The node that keeps our group."""
        found = self._admin.describe_consumer_groups([self.group], request_timeout=60)[self.group].result()
        return next(node for node in self.cluster.nodes if node.node == found.coordinator.id)

    def leads(self, node: KafkaNode) -> int:
        """Partitions of our topic that it leads."""
        return sum(partition.leader == node.node for partition in self._partitions())

    async def whole(self) -> None:
        """Wait until every partition has all its copies again, as one must between two restarts."""
        async with asyncio.timeout(120):
            while not await asyncio.to_thread(self._is_whole):  # noqa: ASYNC110 # only the brokers know
                await asyncio.sleep(0.2)

    def _is_whole(self) -> bool:
        return all(len(partition.isrs) == 3 for partition in self._partitions())

    def _partitions(self) -> list[PartitionMetadata]:
        return [*self._admin.list_topics(self.topic.name, timeout=60).topics[self.topic.name].partitions.values()]


@pytest.fixture
def site(cluster: KafkaCluster, kafka_prefix: str) -> Site:
    return Site(cluster, Topic(f"{kafka_prefix}people", "registry", partitions=6), f"{kafka_prefix}group")


@asynccontextmanager
async def flowing(site: Site) -> AsyncIterator[Flow]:
    """A flow that runs during the block; at its end everything has arrived in order."""
    connection = Connection(site.cluster.bootstrap, "tests", delivery_timeout=5.0)
    await ensure_topics(connection, [site.topic, site.topic.dead])
    flow = Flow(site.topic.name)
    consumer = Consumer(connection, site.group, {PersonErased: flow.hear}, clock=utc_now, topics=(site.topic,))
    async with Producer(connection) as producer, consumer:
        await consumer.joined()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flow.publish(producer))
            await flow.goes_on()
            yield flow
            await flow.goes_on()
            flow.stop()
        await flow.arrived()


async def test_invariant_22_a_killed_coordinator_and_leader_costs_seconds_and_no_record(site: Site) -> None:
    async with flowing(site) as flow:
        victim = site.coordinator
        assert site.leads(victim) > 0
        victim.kill()
        await flow.goes_on()
        await drive_async(victim.starting())
        await site.whole()


async def test_invariant_22_a_restart_of_every_node_in_turn_costs_no_record(site: Site) -> None:
    async with flowing(site) as flow:
        for node in site.cluster.nodes:
            await asyncio.to_thread(node.stop)
            await flow.goes_on()
            await drive_async(node.starting())
            await site.whole()


async def test_invariant_22_a_frozen_coordinator_costs_the_request_time_out_and_no_record(site: Site) -> None:
    async with flowing(site) as flow:
        victim = site.coordinator
        victim.freeze()
        try:
            await flow.goes_on()
        finally:
            victim.thaw()
        await site.whole()
