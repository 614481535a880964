"""`Reader` on Kafka's protocol: clients without a group, positions from fetches."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import TopicAuthorizationFailedError

from shared.bus.connection import Connection
from shared.bus.kafka.clients import admin, close_consumer, consumer_settings, received
from shared.bus.kafka.diagnosis import LOST, unavailable
from shared.bus.reader import Lag
from shared.bus.wire import BusUnavailable, Place, Received
from shared.events import Topic

_ANSWER_SECONDS = 10.0
_FETCH_WAIT_MS = 50
_NOWHERE = TopicPartition("", -1)


class KafkaReader:
    """Looks into topics. One client per call: calls are rare and must not disturb each other."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is opened yet."""
        self._connection = connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def topics(self) -> Mapping[str, int]:
        """Partitions of every topic."""
        async with admin(self._connection) as client:
            return {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics()}

    async def ends(self, topics: Sequence[Topic]) -> Mapping[Place, int]:
        """From the high watermark of a fetch: the embedded broker's ListOffsets is wrong (958 instead of 1,111)."""
        async with self._client(_places(topics)) as client:
            return await _ends(client)

    async def committed(self, group: str, topics: Sequence[Topic]) -> Mapping[Place, int]:
        """Asked of the group's coordinator, by name: the embedded broker's answer for "all" cannot be decoded."""
        async with admin(self._connection) as client:
            return await _committed(client, group, topics)

    async def lags(self, groups: Mapping[str, Sequence[Topic]]) -> Sequence[Lag]:
        """Two clients for all groups; one more fetch for each partition where something waits."""
        async with admin(self._connection) as client:
            committed = {group: await _committed(client, group, topics) for group, topics in groups.items()}
        every = dict.fromkeys(topic for topics in groups.values() for topic in topics)
        async with self._client(_places(tuple(every))) as client:
            ends = await _ends(client)
            behind = [
                (place, offset)
                for group, topics in groups.items()
                for place in _places(topics)
                if (offset := committed[group].get(place, 0)) < ends[place]
            ]
            first = await _first(client, behind)
        return [
            _lag(group, place, committed[group].get(place), ends[place], first)
            for group, topics in groups.items()
            for place in _places(topics)
        ]

    async def record(self, place: Place, offset: int) -> Received | None:
        """One fetch."""
        async with self._client([place]) as client:
            end = (await _ends(client))[place]
            if not 0 <= offset < end:
                return None
            client.seek(TopicPartition(*place), offset)
            async for record in _until(client, {place: end}):
                return record if record.offset == offset else None
        return None

    async def read(self, topics: Sequence[Topic]) -> AsyncIterator[Received]:
        """From the beginning to the high watermarks."""
        async with self._client(_places(topics)) as client:
            ends = await _ends(client)
            async for record in _until(client, ends):
                yield record

    async def tail(self, topics: Sequence[Topic]) -> AsyncGenerator[Received, None]:
        """From the high watermarks on."""
        async with self._client(_places(topics)) as client:
            for place, end in (await _ends(client)).items():
                client.seek(TopicPartition(*place), end)
            while True:
                for batch in (await client.getmany(timeout_ms=1000, max_records=500)).values():
                    for record in batch:
                        yield received(record)

    @contextlib.asynccontextmanager
    async def _client(self, places: Collection[Place]) -> AsyncIterator[Any]:
        settings = consumer_settings(self._connection, None) | {"fetch_max_wait_ms": _FETCH_WAIT_MS}
        client = AIOKafkaConsumer(**settings)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await client.start()
            client.assign([TopicPartition(*place) for place in places])
            yield client
        except LOST as error:
            raise await unavailable(self._connection, error) from error
        finally:
            await close_consumer(client)


def _places(topics: Sequence[Topic]) -> list[Place]:
    return [Place(topic.name, partition) for topic in topics for partition in range(topic.partitions)]


async def _committed(client: Any, group: str, topics: Sequence[Topic]) -> Mapping[Place, int]:
    named = [TopicPartition(*place) for place in _places(topics)]
    found = await client.list_consumer_group_offsets(group, partitions=named)
    return {Place(*tp): offset.offset for tp, offset in found.items() if offset.offset >= 0}


def _lag(group: str, place: Place, committed: int | None, end: int, first: Mapping[tuple[Place, int], Received]) -> Lag:
    start = committed or 0
    record = first.get((place, start))
    lost = record.offset - start if record and committed is not None else 0  # a new group never had what is gone
    return Lag(group, place, start, end, record.timestamp if record else None, lost)


async def _first(client: Any, offsets: Collection[tuple[Place, int]]) -> Mapping[tuple[Place, int], Received]:
    """The first record at or after each offset. Groups may wait at different ones of a partition: each in its turn."""
    found: dict[tuple[Place, int], Received] = {}
    left = dict.fromkeys(offsets)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            while turn := {TopicPartition(*place): offset for place, offset in left}:
                for tp, offset in turn.items():
                    client.seek(tp, offset)
                missing = set(turn)
                while missing:
                    for tp, batch in (await client.getmany(*missing, timeout_ms=200)).items():
                        found[Place(*tp), turn[tp]] = received(batch[0])
                        missing.discard(tp)
                for tp, offset in turn.items():
                    del left[Place(*tp), offset]
    return found


async def _ends(client: Any) -> dict[Place, int]:
    """High watermarks of all assigned partitions. Every fetch brings one, so the first fetch of each is enough; what
    it brought besides stays in the client's buffer."""
    async with asyncio.timeout(_ANSWER_SECONDS):
        while any(client.highwater(tp) is None for tp in client.assignment()):
            _raise_forbidden(client)
            await client.getmany(_NOWHERE, timeout_ms=_FETCH_WAIT_MS)
    return {Place(*tp): client.highwater(tp) for tp in client.assignment()}


def _raise_forbidden(client: Any) -> None:
    """Raise TopicAuthorizationFailedError: aiokafka sends no fetch for a topic that it may not see, and keeps the
    refusal of one that it may not read until somebody polls that very partition."""
    if forbidden := client._client.cluster.unauthorized_topics & {tp.topic for tp in client.assignment()}:  # noqa: SLF001
        raise TopicAuthorizationFailedError(forbidden)
    for found in client._fetcher._records.values():  # noqa: SLF001
        if isinstance(found, FetchError):
            found.check_raise()


async def _until(client: Any, ends: Mapping[Place, int]) -> AsyncIterator[Received]:
    """Records from the positions on, up to `ends`. Silence is no end: a position that reached it is."""
    waiting = {TopicPartition(*place): end for place, end in ends.items() if end > 0}
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while waiting:
        batches = await client.getmany(*waiting, timeout_ms=200, max_records=500)
        for tp, batch in batches.items():
            for record in batch:
                if record.offset < waiting[tp]:
                    yield received(record)
        heard = loop.time() if batches else heard
        waiting = {tp: end for tp, end in waiting.items() if await client.position(tp) < end}
        if loop.time() - heard > _ANSWER_SECONDS:
            raise BusUnavailable
