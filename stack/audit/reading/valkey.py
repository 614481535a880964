"""What otp keeps in Valkey."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from stack.audit.notebook import Notebook
from stack.audit.story import Challenge

_PREFIX = "otp:challenge:"
_AT_ONCE = 1_000
_SOON = 3600
"""Seconds: retries and messages that wait for a limit are due within the hour, invitations end after days."""
_MOST = 5
"""Messages of one challenge, as otp limits them."""
_FIELDS = ("appointment", "cycle", "state", "version", "attempt", "renewed", *(f"how:{n + 1}" for n in range(_MOST)))


async def read_otp(url: str, notebook: Notebook) -> Mapping[str, int]:
    """Every challenge; returns what waits."""
    async with Redis.from_url(url, decode_responses=True, socket_timeout=60) as client:
        seen: set[str] = set()  # SCAN may name a key twice
        async for names in _pages(client):
            new = [name for name in names if name not in seen]
            seen.update(new)
            notebook.add(Challenge, [_challenge(name, row) for name, row in await _rows(client, new)])
        return await otp_waiting(client)


async def otp_waiting(client: Any) -> Mapping[str, int]:
    """What otp has not published, has set aside, or has promised to do about a message."""
    seconds, _ = await client.time()
    due = await client.zrangebyscore("otp:due", "-inf", (seconds + _SOON) * 1000, start=0, num=_AT_ONCE)
    return {
        "otp outbox": int(await client.xlen("otp:outbox")),
        "otp outbox, set aside": int(await client.xlen("otp:outbox.parked")),
        "otp retries": sum(not item.startswith("expire:") for item in due),
    }


async def otp_met(client: Any) -> str | None:
    """The broker that otp has seen last."""
    found: str | None = await client.get("otp:cluster")
    return found


async def _pages(client: Any) -> AsyncIterator[Sequence[str]]:
    cursor = 0
    while True:
        cursor, names = await client.scan(cursor, match=f"{_PREFIX}*", count=_AT_ONCE)
        yield names
        if cursor == 0:
            return


async def _rows(client: Any, names: Sequence[str]) -> Sequence[tuple[str, list[Any]]]:
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hmget(name, _FIELDS)
        return list(zip(names, await pipe.execute(), strict=True))


def _challenge(name: str, row: Sequence[Any]) -> Challenge:
    appointment, cycle, state, version, attempt, renewed, *hows = row
    said = " ".join(how for how in hows if how)
    return Challenge(
        appointment, name.removeprefix(_PREFIX), int(cycle), state, int(version), int(attempt), said, bool(renewed)
    )
