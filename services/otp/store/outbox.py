"""The outbox: a stream that the scripts write in the step itself, read by a group of relays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.otp.domain.policy import moment_of
from services.otp.store.scripts import Scripts
from shared.valkey import BLOCK, Valkey, valkey_errors

STREAM = "otp:outbox"
GROUP = "relay"
DEAD_AFTER_MS = 20_000
"""An entry held for so long has lost its relay: publishing itself gives up after 15 s."""
FORGET_AFTER_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One event to publish: what the script knew."""

    id: str
    type: str
    body: str
    asking: str
    trace: str | None


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry that can never be published, and why (a kind of error, never a value)."""

    entry: Entry
    problem: str


class Outbox:
    """The stream as one relay sees it."""

    def __init__(self, valkey: Valkey, scripts: Scripts, relay: str) -> None:
        """`relay` is a name of this process alone."""
        self._valkey = valkey
        self._scripts = scripts
        self._relay = relay

    async def prepare(self, now: datetime) -> None:
        """Make the group, if it is not there. Raises Unavailable."""
        await self._scripts.run("group", now, group=GROUP)

    async def unfinished(self, limit: int) -> Sequence[Entry]:
        """Entries that this relay took and has not settled."""
        return await self._read("0", limit, block=False)

    async def take(self, limit: int) -> Sequence[Entry]:
        """New entries, waiting up to two seconds for the first. Raises Unavailable."""
        return await self._read(">", limit, block=True)

    async def _read(self, start: str, limit: int, *, block: bool) -> Sequence[Entry]:
        with valkey_errors():
            answer: Any = await self._valkey.xreadgroup(
                GROUP, self._relay, {STREAM: start}, count=limit, block=int(BLOCK * 1000) if block else None
            )
        streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer or ()]
        return [_entry(*pair) for entries in streams for pair in _flat(entries) if pair[1]]

    async def take_now(self, limit: int) -> Sequence[Entry]:
        """New entries, if there are any. Raises Unavailable."""
        return await self._read(">", limit, block=False)

    async def take_over(self, limit: int) -> Sequence[Entry]:
        """Entries of relays that died. Raises Unavailable."""
        with valkey_errors():
            answer: Any = await self._valkey.xautoclaim(
                STREAM, GROUP, self._relay, min_idle_time=DEAD_AFTER_MS, start_id="0-0", count=limit
            )
        return [_entry(*pair) for pair in answer[1] if pair[1]]

    async def settle(self, done: Sequence[Entry], parked: Sequence[Parked], now: datetime) -> None:
        """They leave the stream; the parked are set aside. Raises Unavailable."""
        await self._scripts.run(
            "settle",
            now,
            group=GROUP,
            done=[entry.id for entry in done],
            parked=[{"id": each.entry.id, "type": each.entry.type, "problem": each.problem} for each in parked],
        )

    async def forget_dead(self) -> None:
        """Drop relays that hold nothing and have been silent for an hour. Raises Unavailable."""
        with valkey_errors():
            for member in await self._valkey.xinfo_consumers(STREAM, GROUP):
                if int(member["pending"]) == 0 and int(member["idle"]) > FORGET_AFTER_MS:
                    await self._valkey.xgroup_delconsumer(STREAM, GROUP, member["name"])

    async def waiting(self) -> tuple[int, datetime | None]:
        """How many entries are not published, and since when the oldest waits, by Valkey's clock. Raises
        Unavailable."""
        with valkey_errors():
            count = int(await self._valkey.xlen(STREAM))
            first: Any = await self._valkey.xrange(STREAM, count=1)
        milliseconds = str(first[0][0]).partition("-")[0] if first else None
        return count, moment_of(int(milliseconds)) if milliseconds else None


def _flat(entries: Any) -> Any:
    """redis 8 nests the entries of a stream once more under RESP3."""
    return entries[0] if entries and isinstance(entries[0], list) and not isinstance(entries[0][0], str) else entries


def _entry(identity: str, fields: dict[str, str]) -> Entry:
    return Entry(identity, fields["type"], fields["body"], fields["asking"], fields["trace"] or None)
