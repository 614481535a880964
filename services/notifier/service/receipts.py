"""Receipts: kept, matched with their message, stated when they say something new."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from services.notifier.domain.delivery import Stated, Told
from services.notifier.service.metrics import Metrics
from shared.batching import Batcher
from shared.clock import Clock
from shared.telemetry import link_to

ROWS = 256
"""Receipts in one transaction."""


class Store(Protocol):
    """What this needs of PostgreSQL."""

    async def receive(self, told: Sequence[Told], now: datetime) -> list[Stated | None]:
        """Keep receipts and apply those whose try has an outcome; what each led to."""


class Receipts:
    """The use case behind the provider's status callback."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics, stated: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._stated = stated
        self._together: Batcher[Told, Stated | None] = Batcher(self._write, limit=ROWS)

    async def receive(self, provider: str, told: Told) -> None:
        """Committed when this returns; receipts that come at one time are one transaction. Twice, early, late or in
        another order: the end is the same."""
        stated = await self._together(told)
        if stated is not None:
            link_to(stated.traceparent)
        self._metrics.receipts.labels(provider, told.receipt.status.value if stated else "stale").inc()

    async def _write(self, told: Sequence[Told]) -> Sequence[Stated | None]:
        stated = await self._store.receive(told, self._clock())
        if any(stated):
            self._stated()
        return stated
