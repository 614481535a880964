"""The providers' limits, shared by all replicas in Valkey: a log of granted moments per credential and per chat."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.clock import Clock
from shared.events import Lane
from shared.valkey import Valkey, valkey_errors

SCRIPT = (Path(__file__).parent / "lua" / "pace.lua").read_text(encoding="utf-8")

SECOND = 1_001
"""Milliseconds of a second, rounded up: moments are whole milliseconds, and two of them may be 0.9 ms closer."""
MINUTE = 60_001
QUEUED_SECONDS = 1.0
"""What a caller is told that waited in vain behind others of its lane."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a provider allows one credential."""

    per_second: int
    reserved: int = 0
    """Places of a second that only the urgent lane may take."""
    chat_per_second: int = 0
    """Messages a second to one chat; 0: no such limit."""
    group_per_minute: int = 0
    """Messages a minute to one group or channel (its chat id is negative)."""

    def bulk(self) -> int:
        """Places a second for the bulk lane: at least one, or it would never end."""
        return max(1, self.per_second - self.reserved)


class Pacing:
    """Places under the limits. A waiting caller holds no place, so an urgent message never waits behind bulk ones.
    While Valkey does not answer nobody knows how many were sent, so nothing is."""

    def __init__(self, valkey: Valkey, limits: Mapping[str, Limit], clock: Clock) -> None:
        """`limits` by credential; see `allow`."""
        self._valkey = valkey
        self._limits = dict(limits)
        self._clock = clock
        self._script = valkey.register_script(SCRIPT)
        self._heads: defaultdict[tuple[str, Lane], asyncio.Lock] = defaultdict(asyncio.Lock)

    def allow(self, credential: str, limit: Limit) -> None:
        """What the provider allows this credential; one without a limit cannot send."""
        self._limits[credential] = limit

    async def acquire(
        self, credential: str, chat: str | None, lane: Lane, *, cost: int = 1, at_most: float = 5.0
    ) -> float:
        """Wait for a place, at most `at_most` seconds. Returns 0.0 when it is granted, else the seconds after which
        asking again makes sense. Callers of one lane take turns: only the first asks Valkey. Raises
        ValkeyUnavailable."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + at_most
        head = self._heads[credential, lane]
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await head.acquire()
            except TimeoutError:
                return QUEUED_SECONDS
            try:
                wait, by_chat = await self._ask(credential, chat, lane, cost)
                while wait and not by_chat and loop.time() + wait <= deadline:
                    await asyncio.sleep(wait)
                    wait, by_chat = await self._ask(credential, chat, lane, cost)
            finally:
                head.release()
            if not wait or loop.time() + wait > deadline:
                return wait
            await asyncio.sleep(wait)  # the chat's own limit: others go first meanwhile

    async def pause(self, credential: str, seconds: float) -> None:
        """Nobody sends by `credential` for that long; a longer pause in force stays. Raises ValkeyUnavailable."""
        until = self._now() + round(seconds * 1000)
        key = f"pace:{{{credential}}}:until"
        with valkey_errors():
            if int(await self._valkey.get(key) or 0) < until:
                await self._valkey.set(key, until, px=round(seconds * 1000) + 60_000)

    async def probe(self) -> None:
        """For /ready."""
        with valkey_errors():
            await self._valkey.ping()

    async def _ask(self, credential: str, chat: str | None, lane: Lane, cost: int) -> tuple[float, bool]:
        """Seconds to wait (0.0: granted), and whether it is the chat's own limit that says no."""
        limit = self._limits[credential]
        count = limit.per_second if lane is Lane.URGENT else limit.bulk()
        gap = 0 if lane is Lane.URGENT else 1000 // limit.per_second
        stem = f"pace:{{{credential}}}"
        keys = [f"{stem}:until", f"{stem}:clock", f"{stem}:all"]
        arguments = [self._now(), cost, count, SECOND, gap]
        if chat is not None:
            group = chat.startswith("-")
            if limit.chat_per_second:
                keys.append(f"{stem}:chat:{chat}")
                arguments += [limit.chat_per_second, SECOND, 0]
            if group and limit.group_per_minute:
                keys.append(f"{stem}:group:{chat}")
                arguments += [limit.group_per_minute, MINUTE, 0]
        with valkey_errors():
            wait, which = await self._script(keys=keys, args=arguments)
        return int(wait) / 1000, int(which) > 1

    def _now(self) -> int:
        return round(self._clock().timestamp() * 1000)
