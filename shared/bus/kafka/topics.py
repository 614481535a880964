"""Topics: created as the contract says, checked where they exist already."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.bus.connection import DEAD_HEADROOM_BYTES, MAX_RECORD_BYTES, Connection
from shared.bus.dead import SUFFIX
from shared.bus.kafka.clients import admin
from shared.bus.wire import BusUnavailable, TopicUnfit
from shared.events import TOPICS, Topic
from shared.events.catalogue import DAY_MS

ALL_TOPICS = (*TOPICS, *(topic.dead for topic in TOPICS))
_EXISTS = 36
_READY_SECONDS = 20.0
_AGAIN_SECONDS = 0.1
_REPLICAS = 3


async def ensure_topics(
    connection: Connection, topics: Sequence[Topic] = ALL_TOPICS, replicas: int | None = None
) -> list[str]:
    """Create what is missing and return its names; wait until every partition has a leader. May be run by several at
    once. `replicas`: None is three, or one per broker where there are fewer (the broker's own default, -1, needs
    CreateTopics v4; aiokafka speaks v3). Raises BusUnavailable, TopicUnfit (also where an existing topic has other
    partitions or retention)."""
    async with admin(connection) as client:
        known = {topic["topic"] for topic in await client.describe_topics()}
        missing = [topic for topic in topics if topic.name not in known]
        if missing:
            brokers = len((await client.describe_cluster())["brokers"])
            await _create(client, missing, replicas or min(_REPLICAS, brokers))
        await _settled(client, topics)
        if not connection.ephemeral:
            await _check_retention(client, topics)
        return [topic.name for topic in missing]


async def delete_topics(connection: Connection, topics: Sequence[Topic] = ALL_TOPICS) -> None:
    """Delete those of `topics` that exist, with all records and offsets; wait until they are gone. Raises
    BusUnavailable."""
    names = {topic.name for topic in topics}
    async with admin(connection) as client:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while known := names & {topic["topic"] for topic in await client.describe_topics()}:
                    await client.delete_topics(sorted(known))
                    await asyncio.sleep(_AGAIN_SECONDS)
        except TimeoutError as error:
            raise BusUnavailable from error


async def cluster_id(connection: Connection) -> str:
    """The cluster's id. A service that finds another one than last time starts anew (decision: broker without memory).
    Raises BusUnavailable."""
    async with admin(connection) as client:
        return str((await client.describe_cluster())["cluster_id"])


def configs_of(topic: Topic) -> dict[str, str]:
    """Settings of a topic. A dead letter is bigger than its record by our headers."""
    configs = {"retention.ms": str(topic.retention_days * DAY_MS), "cleanup.policy": "delete"}
    if topic.name.endswith(SUFFIX):
        configs["max.message.bytes"] = str(MAX_RECORD_BYTES + DEAD_HEADROOM_BYTES)
    return configs


async def _create(client: Any, missing: Sequence[Topic], replicas: int) -> None:
    new = [NewTopic(topic.name, topic.partitions, replicas, topic_configs=configs_of(topic)) for topic in missing]
    answer = await client.create_topics(new)
    for name, code, *detail in answer.topic_errors:
        if code not in {0, _EXISTS}:
            raise TopicUnfit(topic=name, problem=str(detail[0] if detail and detail[0] else f"error {code}"))


async def _settled(client: Any, topics: Sequence[Topic]) -> None:
    """create_topics returns before every node knows the topic (worst measured: 240 ms)."""
    names = [topic.name for topic in topics]
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                found = {topic["topic"]: topic for topic in await client.describe_topics(names)}
                if all(_led(found.get(name)) for name in names):
                    break
                await asyncio.sleep(_AGAIN_SECONDS)
    except TimeoutError as error:
        raise BusUnavailable from error
    for topic in topics:
        if (count := len(found[topic.name]["partitions"])) != topic.partitions:
            raise TopicUnfit(topic=topic.name, problem=f"{count} partitions instead of {topic.partitions}")


def _led(topic: dict[str, Any] | None) -> bool:
    return topic is not None and topic["error_code"] == 0 and all(p["leader"] >= 0 for p in topic["partitions"])


async def _check_retention(client: Any, topics: Sequence[Topic]) -> None:
    wanted = {topic.name: str(topic.retention_days * DAY_MS) for topic in topics}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]
    for answer in await client.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            found = {entry[0]: entry[1] for entry in entries}.get("retention.ms")
            if found != wanted[name]:
                raise TopicUnfit(topic=name, problem=f"retention.ms is {found} instead of {wanted[name]}")
