"""Runs one Lua script per step on Valkey, through a bounded pool that waits, with time-outs."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import orjson
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError, ResponseError

from services.otp.domain.challenge import StepFailed
from services.otp.domain.policy import Policy, milliseconds
from shared.errors import Unavailable
from shared.telemetry import current_trace

log = structlog.get_logger(__name__)

_FAULT = re.compile(r"(?:ERR )?user_script:(\d+): ")
"""How Valkey begins the error of a script's own fault; errors of its commands begin with theirs (OOM, READONLY ...)."""

FOLDER = Path(__file__).parent.parent / "lua"

CONNECTIONS = 32
"""More would only queue inside Valkey, which runs one script at a time."""
PATIENCE = 5.0
"""Seconds for a connection, and for an answer: a person waits."""
BLOCK = 2.0
"""Seconds that the relay's read may block; its connection's time-out is longer."""

Valkey: TypeAlias = "Redis"


class ValkeyUnavailable(Unavailable):
    """The challenge store does not answer; try again in a moment."""

    code = "valkey_unavailable"
    alarm = True


@asynccontextmanager
async def open_valkey(url: str, connections: int = CONNECTIONS, name: str = "otp") -> AsyncIterator[Valkey]:
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
        client_name=f"boothline-{name}",
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
    """Valkey's errors as ours, and a cancellation that came meanwhile."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise ValkeyUnavailable from error
    # The client sends under asyncio.wait_for, which in Python 3.11 loses a cancellation that comes as it returns:
    # a relay then never stopped (measured).
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Scripts:
    """The steps by name. A script's whole argument is JSON: now, policy, trace, and what the step needs."""

    def __init__(self, valkey: Valkey, policy: Policy, folder: Path = FOLDER) -> None:
        """Reads the folder's scripts; `lib.lua` goes before each."""
        prelude = (folder / "lib.lua").read_text(encoding="utf-8")
        self._scripts: dict[str, AsyncScript] = {
            path.stem: valkey.register_script(prelude + path.read_text(encoding="utf-8"))
            for path in sorted(folder.glob("*.lua"))
            if path.stem != "lib"
        }
        self._policy = policy.for_scripts()

    async def run(self, step: str, now: datetime, **arguments: object) -> str:
        """Run a step; its answer as it came. Raises Unavailable."""
        fields: Mapping[str, object] = {
            "now": milliseconds(now),
            "policy": self._policy,
            "trace": current_trace.get() or "",
            **arguments,
        }
        with valkey_errors():
            try:
                answer = await self._scripts[step](args=[orjson.dumps(fields)])
            except ResponseError as error:
                if (place := _FAULT.match(str(error))) is None:
                    raise
                log.error("step failed", step=step, line=int(place[1]))  # noqa: TRY400 # the text may show a value
                raise StepFailed(step=step, line=int(place[1])) from None
        return str(answer)
