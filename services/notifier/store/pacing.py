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
KEPT = 1_023
"""Moments in a log, or as many as the limit has places."""
AT_ONCE = 100
"""Callers that one question asks for at most: the script holds Valkey for about 0.1 ms then."""
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

    def burst(self) -> int:
        """Bulk messages at one moment: what a fiftieth of a second brings, so that a broadcast is spread, and one
        question to Valkey serves many of a fast one."""
        return max(1, self.per_second // 50)


@dataclass(slots=True, eq=False)
class Waiter:
    """Who waits for a place under the credential's limit alone."""

    cost: int
    granted: bool = False
    leaving: bool = False
    """Its time is over: no place is asked for it any more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """For what a place is asked."""

    credential: str
    chat: str | None
    lane: Lane


class Line:
    """Callers of one credential and lane: they take turns at being the one that asks Valkey."""

    def __init__(self) -> None:
        self.head = asyncio.Lock()
        self.waiters: list[Waiter] = []
        self.asking: asyncio.Future[None] | None = None
        """Done when Valkey has answered and what it granted is noted."""


class Pacing:
    """Places under the limits. A waiting caller holds no place, so an urgent message never waits behind bulk ones.
    While Valkey does not answer nobody knows how many were sent, so nothing is."""

    def __init__(self, valkey: Valkey, limits: Mapping[str, Limit], clock: Clock) -> None:
        """`limits` by credential; see `allow`."""
        self._valkey = valkey
        self._limits = dict(limits)
        self._clock = clock
        self._script = valkey.register_script(SCRIPT)
        self._lines: defaultdict[tuple[str, Lane], Line] = defaultdict(Line)

    def allow(self, credential: str, limit: Limit) -> None:
        """What the provider allows this credential; one without a limit cannot send."""
        self._limits[credential] = limit

    async def acquire(
        self, credential: str, chat: str | None, lane: Lane, *, cost: int = 1, at_most: float = 5.0
    ) -> float:
        """Wait for a place, at most `at_most` seconds. Returns 0.0 when it is granted, else the seconds after which
        asking again makes sense. Callers of one lane take turns: only the first asks Valkey, for all that wait without
        a chat's own limit. Raises ValkeyUnavailable."""
        deadline = asyncio.get_running_loop().time() + at_most
        line, waiter = self._lines[credential, lane], Waiter(cost)
        if chat is None:
            line.waiters.append(waiter)
        try:
            return await self._turn(line, waiter, Asked(credential, chat, lane), deadline)
        finally:
            if chat is None and not waiter.granted:
                line.waiters.remove(waiter)

    async def _turn(self, line: Line, waiter: Waiter, asked: Asked, deadline: float) -> float:
        time = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await line.head.acquire()
            except TimeoutError:
                waiter.leaving = True
                if line.asking is not None:  # perhaps for us, too: a place must not be lost
                    await asyncio.wait({line.asking})
                return 0.0 if waiter.granted else QUEUED_SECONDS
            try:
                if waiter.granted:
                    return 0.0
                wait, by_chat = await self._ask(line, waiter, asked)
                while wait and not by_chat and time() + wait <= deadline:
                    await asyncio.sleep(wait)
                    wait, by_chat = await self._ask(line, waiter, asked)
            finally:
                line.head.release()
            if not wait or time() + wait > deadline:
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

    async def _ask(self, line: Line, waiter: Waiter, asked: Asked) -> tuple[float, bool]:
        """Seconds that `waiter`, the first of its line, has to wait (0.0: granted, and so are those behind it that
        fit), and whether it is the chat's own limit that says no."""
        limit = self._limits[asked.credential]
        together = [waiter]
        if asked.chat is None:
            together += [other for other in line.waiters if other is not waiter and not other.leaving]
            together = together[: AT_ONCE if asked.lane is Lane.URGENT else limit.burst()]
        keys, arguments = _limits(limit, f"pace:{{{asked.credential}}}", asked.chat, asked.lane)
        costs = [each.cost for each in together]
        line.asking = asked_now = asyncio.get_running_loop().create_future()
        try:
            with valkey_errors():
                wait, which, granted = await self._script(keys=keys, args=[self._now(), *arguments, *costs])
            for each in together[: int(granted)]:
                each.granted = True
            line.waiters = [each for each in line.waiters if not each.granted]
        finally:
            line.asking = None
            asked_now.set_result(None)
        return (0.0, False) if waiter.granted else (int(wait) / 1000, int(which) > 1)

    def _now(self) -> int:
        return round(self._clock().timestamp() * 1000)


def _limits(limit: Limit, stem: str, chat: str | None, lane: Lane) -> tuple[list[str], list[int]]:
    """Keys and numbers of the script for every limit that applies."""
    count = limit.per_second if lane is Lane.URGENT else limit.bulk()
    gap = 0 if lane is Lane.URGENT else limit.burst() * 1000 // limit.per_second
    keys = [f"{stem}:until", f"{stem}:clock", f"{stem}:all"]
    arguments = [count, SECOND, gap, max(KEPT, limit.per_second)]
    if chat is not None:
        if limit.chat_per_second:
            keys.append(f"{stem}:chat:{chat}")
            arguments += [limit.chat_per_second, SECOND, 0, KEPT]
        if chat.startswith("-") and limit.group_per_minute:
            keys.append(f"{stem}:group:{chat}")
            arguments += [limit.group_per_minute, MINUTE, 0, KEPT]
    return keys, arguments
