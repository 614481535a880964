"""The one place that talks to aiokafka: it is untyped, so Any stays inside."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.record.default_records import DefaultRecordBatch

from shared.bus.connection import DEAD_HEADROOM_BYTES, MAX_POLL_SECONDS, MAX_RECORD_BYTES, Connection
from shared.bus.wire import (
    BusUnavailable,
    Listener,
    MembershipLost,
    Misconfigured,
    Outgoing,
    Place,
    Received,
    TopicUnfit,
    Unpublishable,
)
from shared.events import Topic

_PERMANENT = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError, TopicAuthorizationFailedError)
_NOWHERE = TopicPartition("", -1)
_CLOSE_SECONDS = 5.0


def consumer_settings(connection: Connection, group: str | None) -> dict[str, Any]:
    """What AIOKafkaConsumer gets. Source of every line: docs/decisions, runner."""
    timing = connection.timing
    return {
        "bootstrap_servers": connection.bootstrap,
        "client_id": connection.client_id,
        "group_id": group,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
        "session_timeout_ms": int(timing.session * 1000),
        "heartbeat_interval_ms": int(timing.heartbeat * 1000),
        "rebalance_timeout_ms": timing.rebalance * 1000,
        "request_timeout_ms": timing.request * 1000,
        "max_poll_interval_ms": MAX_POLL_SECONDS * 1000,
        "max_partition_fetch_bytes": 256 * 1024,
        "fetch_max_wait_ms": int(timing.fetch_wait * 1000),
    }


def producer_settings(connection: Connection) -> dict[str, Any]:
    """What AIOKafkaProducer gets. No linger: a person waits, and batches form while one is in flight."""
    return {
        "bootstrap_servers": connection.bootstrap,
        "client_id": connection.client_id,
        "acks": "all",
        "enable_idempotence": connection.idempotent,
        "linger_ms": 0,
        "request_timeout_ms": int(connection.delivery_timeout * 1000),
        "max_request_size": MAX_RECORD_BYTES + DEAD_HEADROOM_BYTES,
        "max_batch_size": 64 * 1024,
    }


def compiled_records() -> bool:
    """Whether aiokafka's C extension is loaded; without it everything is many times slower."""
    return "_crecords" in DefaultRecordBatch.__module__


@contextlib.asynccontextmanager
async def admin(connection: Connection) -> AsyncIterator[Any]:
    """An admin client. Raises BusUnavailable."""
    client = AIOKafkaAdminClient(
        bootstrap_servers=connection.bootstrap, client_id=connection.client_id, request_timeout_ms=15_000
    )
    try:
        async with asyncio.timeout(15):
            await client.start()
        yield client
    except (KafkaError, OSError) as error:
        raise BusUnavailable from error
    finally:
        await client.close()


class KafkaMember:
    """A member of a consumer group."""

    def __init__(self, connection: Connection, group: str, topics: Sequence[Topic]) -> None:
        """Nothing is opened yet. Raises Misconfigured."""
        if not compiled_records():
            raise Misconfigured(problem="aiokafka's C extension is missing")
        self._connection = connection
        self._group = group
        self._topics = topics
        self._consumer: Any = None

    async def start(self, listener: Listener) -> None:
        """Connect, check the topics and subscribe; joining goes on in the background."""
        consumer = AIOKafkaConsumer(**consumer_settings(self._connection, self._group))
        self._consumer = consumer
        try:
            async with asyncio.timeout(self._connection.timing.request):
                await consumer.start()
            await self._check_topics()
        except (KafkaError, OSError) as error:
            await self.stop()
            raise BusUnavailable from error
        except BaseException:
            await self.stop()
            raise
        consumer.subscribe([topic.name for topic in self._topics], listener=_Rebalances(listener))

    async def _check_topics(self) -> None:
        known = await self._consumer._client.fetch_all_metadata()  # noqa: SLF001 # nothing public asks without waiting
        for topic in self._topics:
            partitions = known.partitions_for_topic(topic.name)
            if not partitions:
                raise TopicUnfit(topic=topic.name, problem="missing")
            if len(partitions) != topic.partitions:
                problem = f"{len(partitions)} partitions instead of {topic.partitions}"
                raise TopicUnfit(topic=topic.name, problem=problem)

    async def poll(self, places: Collection[Place], limit: int, timeout: float) -> Sequence[Received]:
        """Records of `places`, waiting at most `timeout` seconds (plus a rebalance) for the first."""
        filtered = [TopicPartition(*place) for place in places]
        try:
            batches = await self._consumer.getmany(*filtered, timeout_ms=int(timeout * 1000), max_records=limit)
        except KafkaError as error:
            raise BusUnavailable from error
        return [received(record) for batch in batches.values() for record in batch]

    async def touch(self) -> None:
        """Poll a partition that does not exist: counts as polling and returns nothing."""
        try:
            await self._consumer.getmany(_NOWHERE, timeout_ms=0)
        except KafkaError as error:
            raise BusUnavailable from error

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit explicit offsets; aiokafka itself would retry for ever."""
        try:
            async with asyncio.timeout(self._connection.delivery_timeout):
                await self._consumer.commit({TopicPartition(*place): offset for place, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError) as error:
            raise MembershipLost from error
        except (KafkaError, TimeoutError) as error:
            raise BusUnavailable from error

    async def stop(self) -> None:
        """Leave the group. With a dead broker aiokafka's stop cancels itself or hangs: both end here."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        await _within(_CLOSE_SECONDS, consumer.stop())
        await _within(_CLOSE_SECONDS, consumer._client.close())  # noqa: SLF001 # stop() leaves it open when it fails


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc] # untyped base class
    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002 # always all of them
        await self._listener.revoked()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        await self._listener.assigned([Place(tp.topic, tp.partition) for tp in assigned])


class KafkaPublisher:
    """Writes records with acks from all in-sync replicas."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is opened yet."""
        self._connection = connection
        self._producer: Any = None
        self.broken = False

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(**producer_settings(self._connection))
        try:
            async with asyncio.timeout(self._connection.delivery_timeout):
                await self._producer.start()
        except (KafkaError, OSError) as error:
            await self.stop()
            raise BusUnavailable from error

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Send all, then wait for all acknowledgements. After a doubt this publisher is not used again, so that what
        it still holds cannot be written after newer records of the same key."""
        try:
            async with asyncio.timeout(self._connection.delivery_timeout):
                sent = [
                    await self._producer.send(r.topic, value=r.value, key=r.key, headers=list(r.headers))
                    for r in records
                ]
                results = await asyncio.gather(*sent, return_exceptions=True)
        except _PERMANENT as error:
            raise Unpublishable(problem=type(error).__name__) from error
        except UnknownTopicOrPartitionError as error:
            raise Unpublishable(problem="unknown topic") from error
        except (KafkaError, OSError) as error:
            self.broken = True
            raise BusUnavailable from error
        failed = [result for result in results if isinstance(result, BaseException)]
        if not failed:
            return
        if all(isinstance(error, _PERMANENT) for error in failed):
            raise Unpublishable(problem=type(failed[0]).__name__) from failed[0]
        self.broken = True
        raise BusUnavailable from failed[0]

    async def stop(self) -> None:
        """Flush, or give up after some seconds: what was not acknowledged is still in its outbox."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if not self.broken:
            await _within(_CLOSE_SECONDS, producer.stop())
        producer._closed = True  # noqa: SLF001 # stop() would wait for records that nobody waits for any more
        await _within(_CLOSE_SECONDS, producer._sender.close())  # noqa: SLF001
        await _within(_CLOSE_SECONDS, producer.client.close())


def received(record: Any) -> Received:
    """Our record of an aiokafka record."""
    moment = datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC)
    place = Place(record.topic, record.partition)
    return Received(place, record.offset, moment, record.key, record.value, tuple(record.headers))


async def _within(seconds: float, closing: Any) -> None:
    """Await the end of `closing` at most that long. aiokafka raises CancelledError of its own accord when the broker
    is gone (measured 28 of 28 times); only a cancellation of our own task may go on."""
    task = asyncio.current_task()
    try:
        async with asyncio.timeout(seconds):
            await closing
    except asyncio.CancelledError:
        if task is not None and task.cancelling():
            raise
    except (KafkaError, OSError):
        return
