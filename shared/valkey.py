"""Valkey through the redis client: a bounded pool that waits, and one guard around every call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.errors import Unavailable

CONNECTIONS = 32
"""More would only queue inside Valkey, which runs one script at a time."""
PATIENCE = 5.0
"""Seconds for a connection, and for an answer: a person waits."""
BLOCK = 2.0
"""Seconds that a read of a stream may block; a connection's time-out is longer."""

Valkey: TypeAlias = "Redis"


class ValkeyUnavailable(Unavailable):
    """Valkey does not answer; try again in a moment."""

    code = "valkey_unavailable"
    alarm = True


@contextlib.asynccontextmanager
async def open_valkey(url: str, connections: int = CONNECTIONS, name: str = "boothline") -> AsyncIterator[Valkey]:
    """A client of a pool that makes callers wait, and fails them after some seconds, instead of opening more."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=PATIENCE,
        socket_timeout=PATIENCE + BLOCK,
        socket_connect_timeout=PATIENCE,
        socket_keepalive=True,
        health_check_interval=30,
        decode_responses=True,
        client_name=name,
        # Once: every script may be run twice with the same arguments, and a restarted server leaves dead connections.
        retry=Retry(NoBackoff(), 1),
    )
    client: Valkey = Redis.from_pool(pool)
    try:
        yield client
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.aclose()


@contextlib.contextmanager
def valkey_errors() -> Iterator[None]:
    """Valkey's errors as ValkeyUnavailable, and a cancellation that came meanwhile as itself."""
    try:
        yield
    except (RedisError, OSError) as error:
        _stop_if_cancelled()
        raise ValkeyUnavailable from error
    _stop_if_cancelled()


def _stop_if_cancelled() -> None:
    # The client sends under asyncio.wait_for, which in Python 3.11 loses a cancellation that comes as it returns or
    # fails: a loop around it then never stopped (measured).
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
