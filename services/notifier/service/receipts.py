"""Receipts: kept, matched with their message, stated when they say something new."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifier.domain.delivery import ReceiptStatus
from services.notifier.service.metrics import Metrics
from shared.clock import Clock
from shared.events import DeliveryEvent, Reason


class Store(Protocol):
    """What this needs of PostgreSQL."""

    async def receive(
        self, message_id: UUID, tries: int, status: ReceiptStatus, reason: Reason | None, now: datetime
    ) -> DeliveryEvent | None:
        """Keep a receipt and apply it if its try has an outcome."""


class Receipts:
    """The use case behind the provider's status callback."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics, stated: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._stated = stated

    async def receive(
        self, provider: str, message_id: UUID, tries: int, status: ReceiptStatus, reason: Reason | None
    ) -> None:
        """Committed when this returns. Twice, early, late or in another order: the end is the same."""
        stated = await self._store.receive(message_id, tries, status, reason, self._clock())
        self._metrics.receipts.labels(provider, status.value if stated else "stale").inc()
        if stated is not None:
            self._stated()
