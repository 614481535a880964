"""Who waits for which change: long polls, test helpers and open pages."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
KEYS_KEPT = 500
ALL = "all"


class Subscription:
    """Collects the keys that changed since they were last taken; more than 500 become one "all"."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._ready = asyncio.Event()

    def put(self, key: str) -> None:
        """Note a key; the same key twice is one change."""
        self._keys.add(key)
        if len(self._keys) > KEYS_KEPT:
            self._keys = {ALL}
        self._ready.set()

    async def take(self, timeout: float) -> set[str]:
        """The keys that changed; empty after `timeout` seconds without any."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            return set()
        self._ready.clear()
        keys, self._keys = self._keys, set()
        return keys


class Changes:
    """One `touch` wakes everybody who waits; each looks again at what it waits for."""

    def __init__(self) -> None:
        self._next = asyncio.Event()
        self._open: set[Subscription] = set()
        self.stopping = False

    def touch(self, key: str) -> None:
        """Something with this key changed: chat:<phone>, sms:<phone>, channel:<id>, phones, calls or updates."""
        self._wake()
        for subscription in self._open:
            subscription.put(key)

    def stop(self) -> None:
        """End every wait: the process is about to stop."""
        self.stopping = True
        self.touch(ALL)

    async def until(self, look: Callable[[], T | None], timeout: float) -> T | None:
        """What `look` returns as soon as it is not None; None after `timeout` seconds or when the process stops."""
        try:
            async with asyncio.timeout(timeout):
                while (found := look()) is None and not self.stopping:
                    await self._next.wait()
                return found
        except TimeoutError:
            return look()

    @contextmanager
    def subscribed(self) -> Iterator[Subscription]:
        """A subscription for as long as the block lasts."""
        subscription = Subscription()
        self._open.add(subscription)
        try:
            yield subscription
        finally:
            self._open.discard(subscription)

    @property
    def watchers(self) -> int:
        """How many subscriptions are open."""
        return len(self._open)

    def _wake(self) -> None:
        waiting, self._next = self._next, asyncio.Event()
        waiting.set()
