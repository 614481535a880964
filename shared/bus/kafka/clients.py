"""aiokafka's clients: their settings, their errors, how they are closed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.record.default_records import DefaultRecordBatch

from shared.bus.connection import DEAD_HEADROOM_BYTES, MAX_POLL_SECONDS, MAX_RECORD_BYTES, Connection
from shared.bus.kafka.diagnosis import LOST, unavailable
from shared.bus.wire import Place, Received

_CLOSE_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
METADATA_SECONDS = 20
"""Age at which a consumer asks anew who leads which partition."""


def consumer_settings(connection: Connection, group: str | None) -> dict[str, Any]:
    """What AIOKafkaConsumer gets. Source of every line: docs/decisions, runner."""
    timing = connection.timing
    return _reaching(connection) | {
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
        # Fetches may be answered by a follower (KIP-392), so nobody tells of a leader that has moved: after kills of
        # nodes in turn partitions stood still for minutes until the default of 5 min was over (tests/e2e/test_kill.py).
        "metadata_max_age_ms": METADATA_SECONDS * 1000,
        # A member hears nothing that somebody took back; a reader looks at everything there is.
        "isolation_level": "read_uncommitted" if group is None or connection.ephemeral else "read_committed",
    }


def producer_settings(connection: Connection) -> dict[str, Any]:
    """What AIOKafkaProducer gets. No linger: a person waits, and batches form while one is in flight."""
    return _reaching(connection) | {
        "acks": "all",
        "enable_idempotence": connection.idempotent,
        "linger_ms": 0,
        "request_timeout_ms": int(connection.delivery_timeout * 800),  # its own error says more than our time-out
        "max_request_size": MAX_RECORD_BYTES + DEAD_HEADROOM_BYTES,
        "max_batch_size": 64 * 1024,
    }


def _reaching(connection: Connection) -> dict[str, Any]:
    """What every client gets. Raises Misconfigured."""
    return connection.access.client_settings() | {
        "bootstrap_servers": connection.bootstrap,
        "client_id": connection.client_id,
    }


def compiled_records() -> bool:
    """Whether aiokafka's C extension is loaded; without it everything is many times slower."""
    return "_crecords" in DefaultRecordBatch.__module__


@contextlib.asynccontextmanager
async def admin(connection: Connection) -> AsyncIterator[Any]:
    """An admin client. Raises BusUnavailable."""
    client = AIOKafkaAdminClient(**_reaching(connection), request_timeout_ms=int(_ANSWER_SECONDS * 1000))
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await client.start()
        yield client
    except LOST as error:
        raise await unavailable(connection, error) from error
    finally:
        await closed(client.close())


def received(record: Any) -> Received:
    """Our record of an aiokafka record."""
    moment = datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC)
    place = Place(record.topic, record.partition)
    return Received(place, record.offset, moment, record.key, record.value, tuple(record.headers))


async def close_consumer(consumer: Any) -> None:
    """Leave the group and close the connections, in bounded time and without raising, also when the broker is dead."""
    await closed(consumer.stop())
    # With a dead broker stop() ends before all of its own tasks do: the rest is closed here, again where it is done.
    if (fetcher := consumer._fetcher) is not None:  # noqa: SLF001
        await closed(fetcher.close())
    coordinator = consumer._coordinator  # noqa: SLF001
    for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task"):
        if (task := getattr(coordinator, name, None)) is not None:
            task.cancel()
    await closed(consumer._client.close())  # noqa: SLF001


async def closed(closing: Awaitable[object]) -> None:
    """Await the end of `closing` for some seconds. aiokafka raises CancelledError of its own accord when the broker
    is gone (measured 28 of 28 times); only a cancellation of our own task may go on."""
    task = asyncio.current_task()
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await closing
    except asyncio.CancelledError:
        if task is not None and task.cancelling():
            raise
    except LOST:
        return
