"""Waiting until an installation is at rest: nothing queued, nothing to publish, nobody behind, nothing that the sandbox
has yet to tell, and no broker that somebody has not met."""

import asyncio
import time
from collections.abc import Mapping

from redis.asyncio import Redis

from shared.bus import BusUnavailable, Reader, cluster_id
from stack.audit.reading.carrier import outside
from stack.audit.reading.sources import Sources
from stack.audit.reading.tables import met, waiting
from stack.audit.reading.topics import lag
from stack.audit.reading.valkey import otp_met, otp_waiting

_LOOK = 0.5
_LOOKS = 3
"""Looks in a row that find nothing: something may be on its way between two places while each is empty."""


class StillBusy(RuntimeError):
    """It did not come to rest in time; says what waits."""


async def until_quiet(sources: Sources, *, seconds: float) -> None:
    """Return when it rests. Raises StillBusy."""
    deadline = time.monotonic() + seconds
    quiet = 0
    async with sources.bus.reader() as reader:
        while quiet < _LOOKS:
            try:
                busy = {name: count for name, count in (await left(sources, reader)).items() if count}
            except BusUnavailable as failure:
                busy = {failure.code: 1}
            quiet = 0 if busy else quiet + 1
            if busy and time.monotonic() > deadline:
                raise StillBusy(f"after {seconds:.0f} s there waits: {busy}")
            await asyncio.sleep(_LOOK)


async def left(sources: Sources, reader: Reader) -> Mapping[str, int]:
    """What waits, by place. What comes from outside is asked for first, because it goes on into the other places."""
    unmet, carried = await _unmet(sources), await outside(sources.carrier)
    async with _valkey(sources) as client:
        otp = await otp_waiting(client)
    tables = await waiting(sources.registry, sources.notifier)
    found = {**unmet, **carried, **tables, **otp, **await lag(reader)}
    return {name: count for name, count in found.items() if name != "otp outbox, set aside"}


async def _unmet(sources: Sources) -> Mapping[str, int]:
    """Who has not noticed yet that the broker is another one, and will state everything again (decision 22)."""
    present = await cluster_id(sources.bus)
    async with _valkey(sources) as client:
        known = {"otp": await otp_met(client), **await met(sources.registry, sources.notifier)}
    return {f"{name}, who has not met this broker": int(cluster != present) for name, cluster in known.items()}


def _valkey(sources: Sources) -> Redis:
    return Redis.from_url(sources.otp, decode_responses=True, socket_timeout=20)
