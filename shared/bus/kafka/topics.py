"""Topics: made as the contract says, compared with it where they exist already."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.bus.connection import Connection
from shared.bus.kafka.clients import admin
from shared.bus.kafka.fitness import Difference, Found, configs_of, differences
from shared.bus.kafka.incremental import set_configs
from shared.bus.wire import BusUnavailable, TopicUnfit
from shared.events import TOPICS, Topic
from shared.events.catalogue import REPLICAS

ALL_TOPICS = (*TOPICS, *(topic.dead for topic in TOPICS))
_EXISTS = 36
_READY_SECONDS = 20.0
_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, and what is still not as the contract says."""

    made: Sequence[str]
    changed: Sequence[Difference]
    left: Sequence[Difference]


async def apply_topics(
    connection: Connection, topics: Sequence[Topic] = ALL_TOPICS, replicas: int | None = None
) -> Applied:
    """Make what is missing, set settings right, and wait until every partition has a leader. May be run by several at
    once and again. `replicas`: None is the contract's, or one per broker where there are fewer. Raises BusUnavailable,
    TopicUnfit (what the cluster refused)."""
    async with admin(connection) as client:
        copies = replicas or await _copies(client)
        known = {topic["topic"] for topic in await client.describe_topics()}
        missing = [topic for topic in topics if topic.name not in known]
        if missing:
            await _create(client, missing, copies)
        await _settled(client, topics)
        compare = partial(_compared, client, connection, topics, copies)
        wrong = await _heard_of(compare, lambda difference: difference.missing)
        changed = [difference for difference in wrong if difference.change]
        if changed:
            await _change(client, changed)
            wrong = await _heard_of(compare, lambda difference: difference.missing or difference.change is not None)
        return Applied([topic.name for topic in missing], changed, wrong)


async def check_topics(
    connection: Connection, topics: Sequence[Topic] = ALL_TOPICS, replicas: int | None = None
) -> list[Difference]:
    """As `apply_topics`, changing nothing. Raises BusUnavailable."""
    async with admin(connection) as client:
        return await _compared(client, connection, topics, replicas or await _copies(client))


async def ensure_topics(
    connection: Connection, topics: Sequence[Topic] = ALL_TOPICS, replicas: int | None = None
) -> list[str]:
    """As `apply_topics`; the names of the new ones. Raises BusUnavailable, TopicUnfit (also for what only a person
    may set right)."""
    applied = await apply_topics(connection, topics, replicas)
    for difference in applied.left:
        if not difference.harmless:
            raise TopicUnfit(topic=difference.topic, problem=difference.problem)
    return [*applied.made]


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


async def _copies(client: Any) -> int:
    return min(REPLICAS, len((await client.describe_cluster())["brokers"]))


async def _create(client: Any, missing: Sequence[Topic], replicas: int) -> None:
    new = [
        NewTopic(topic.name, topic.partitions, replicas, topic_configs=configs_of(topic, replicas)) for topic in missing
    ]
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
                    return
                await asyncio.sleep(_AGAIN_SECONDS)
    except TimeoutError as error:
        raise BusUnavailable from error


def _led(topic: dict[str, Any] | None) -> bool:
    return topic is not None and topic["error_code"] == 0 and all(p["leader"] >= 0 for p in topic["partitions"])


async def _compared(client: Any, connection: Connection, topics: Sequence[Topic], replicas: int) -> list[Difference]:
    """The embedded broker keeps neither settings nor copies: there is nothing to compare."""
    wanted = {topic.name for topic in topics}
    known = [topic for topic in await client.describe_topics() if topic["topic"] in wanted]
    durable = not connection.ephemeral
    configs = await _configs(client, [topic["topic"] for topic in known]) if durable else {}
    found = {
        topic["topic"]: Found(
            len(topic["partitions"]),
            min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            configs.get(topic["topic"], {}),
        )
        for topic in known
    }
    return [*differences(topics, replicas, found, configs=durable)]


async def _configs(client: Any, names: Sequence[str]) -> dict[str, Mapping[str, str | None]]:
    if not names:
        return {}
    answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for _, _, _, name, entries in answer.resources
    }


async def _heard_of(
    compare: Callable[[], Awaitable[list[Difference]]], pending: Callable[[Difference], bool]
) -> list[Difference]:
    """What is left, once a node that answers has heard of what we did: each question may go to another one."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                left = await compare()
                if not any(map(pending, left)):
                    return left
                await asyncio.sleep(_AGAIN_SECONDS)
    except TimeoutError as error:
        raise BusUnavailable from error


async def _change(client: Any, changes: Sequence[Difference]) -> None:
    wanted: dict[str, dict[str, str]] = {}
    for difference in changes:
        if difference.change:
            name, value = difference.change
            wanted.setdefault(difference.topic, {})[name] = value
    for topic, problem in (await set_configs(client, wanted)).items():
        raise TopicUnfit(topic=topic, problem=problem)
