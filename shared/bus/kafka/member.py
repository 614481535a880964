"""A member of a consumer group, on aiokafka."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, RebalanceInProgressError

from shared.bus.connection import Connection
from shared.bus.kafka.clients import close_consumer, compiled_records, consumer_settings, received
from shared.bus.kafka.diagnosis import LOST, unavailable
from shared.bus.wire import (
    AccessRefused,
    BusUnavailable,
    Listener,
    MembershipLost,
    Misconfigured,
    Place,
    Received,
    TopicUnfit,
)
from shared.events import Topic

_COMMIT_SECONDS = 5.0
_NOWHERE = TopicPartition("", -1)


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
        self._heard = 0.0

    async def start(self, listener: Listener) -> None:
        """Connect, check the topics and subscribe; joining goes on in the background."""
        consumer = AIOKafkaConsumer(**consumer_settings(self._connection, self._group))
        self._consumer = consumer
        try:
            async with asyncio.timeout(self._connection.timing.request):
                await consumer.start()
                await self._check_topics()
        except LOST as error:
            await self.stop()
            raise await unavailable(self._connection, error) from error
        except BaseException:
            await self.stop()
            raise
        self._heard = time.monotonic()
        listening = _Rebalances(listener, consumer._coordinator)  # noqa: SLF001
        consumer.subscribe([topic.name for topic in self._topics], listener=listening)

    async def _check_topics(self) -> None:
        known = await self._consumer._client.fetch_all_metadata()  # noqa: SLF001 # nothing public asks without waiting
        for topic in self._topics:
            partitions = known.partitions_for_topic(topic.name)
            if not partitions and (user := self._connection.access.username):
                raise AccessRefused(cause=f"topic {topic.name} is missing, or user {user} may not read it")
            if not partitions:
                raise TopicUnfit(topic=topic.name, problem="missing")
            if len(partitions) < topic.partitions:
                problem = f"{len(partitions)} partitions instead of {topic.partitions}"
                raise TopicUnfit(topic=topic.name, problem=problem)

    async def poll(self, places: Collection[Place], limit: int, timeout: float) -> Sequence[Received]:
        """Records of `places`, waiting at most `timeout` seconds (plus a rebalance) for the first."""
        filtered = [TopicPartition(*place) for place in places]
        batches = await self._getmany(*filtered, timeout_ms=int(timeout * 1000), max_records=limit)
        return [received(record) for batch in batches.values() for record in batch]

    async def touch(self) -> None:
        """Poll a partition that does not exist: counts as polling and returns nothing."""
        await self._getmany(_NOWHERE, timeout_ms=0)

    async def _getmany(self, *filtered: Any, **options: int) -> Any:
        """Waits while the group rebalances. After a time-out this member must not be used again: a cancelled getmany
        switches off aiokafka's own check that the member still polls."""
        consumer = self._consumer
        try:
            async with asyncio.timeout(self._connection.timing.stuck):
                records = await consumer.getmany(*filtered, **options)
        except LOST as error:
            raise await unavailable(self._connection, error) from error
        self._check_heard(consumer)
        return records

    def _check_heard(self, consumer: Any) -> None:
        """aiokafka goes on trying for ever where no broker answers (a cable cut without a word), and getmany just
        returns nothing. Any answer counts: fetches come twice a second, heartbeats several times per session."""
        answers = [conn._last_action for conn in consumer._client._conns.values()]  # noqa: SLF001
        self._heard = max([self._heard, *answers])
        if time.monotonic() - self._heard > self._connection.timing.session:
            raise BusUnavailable

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit explicit offsets; aiokafka itself would retry for ever, and a later commit covers this one."""
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._consumer.commit({TopicPartition(*place): offset for place, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError) as error:
            if isinstance(error.__cause__, RebalanceInProgressError):  # still ours until `revoked` has ended
                raise BusUnavailable from error
            raise MembershipLost from error
        except LOST as error:
            raise await unavailable(self._connection, error) from error

    async def stop(self) -> None:
        """Leave the group. With a dead broker aiokafka's stop cancels itself or hangs: both end here."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        if self._connection.ephemeral and consumer._coordinator is not None:  # noqa: SLF001
            # The embedded broker counts generations from 0, and aiokafka says goodbye only above: so a lone member's
            # partitions stayed nobody's until its session ended (restart: 14 s instead of 6). And when several of
            # many say goodbye within seconds, it may keep one of them as leader for ever: those just fall silent.
            alone = len(consumer.assignment()) == sum(topic.partitions for topic in self._topics)
            consumer._coordinator.generation = 1 if alone else 0  # noqa: SLF001
        await close_consumer(consumer)


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc] # untyped base class
    def __init__(self, listener: Listener, coordinator: Any) -> None:
        self._listener = listener
        self._coordinator = coordinator

    async def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002 # always all of them
        # aiokafka has no callback for lost partitions, but forgets its generation when the group has forgotten it.
        await self._listener.revoked(lost=self._coordinator.generation < 0)

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        await self._listener.assigned([Place(tp.topic, tp.partition) for tp in assigned])
