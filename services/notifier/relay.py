"""Outbox to topics: claim, publish with acks from all, mark; woken at commit, and polling as a safety net."""

from collections.abc import Sequence
from typing import Protocol

import structlog

from services.notifier.store.outbox import Outbox
from shared.clock import Clock
from shared.errors import Failure
from shared.events import Record
from shared.lifecycle import Wakeup

log = structlog.get_logger(__name__)

AT_ONCE = 500
POLL_SECONDS = 1.0
AGAIN_SECONDS = 1.0


class Publisher(Protocol):
    """The bus."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when all are acknowledged."""


class Relay:
    """Publishes the outbox. Several at once are safe: consumers ignore what they know."""

    def __init__(self, outbox: Outbox, publisher: Publisher, clock: Clock) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._clock = clock
        self.wakeup = Wakeup()

    async def run(self) -> None:
        """Relay until cancelled. An outage is waited out: everything stays in the outbox."""
        while True:
            try:
                while await self._outbox.relay(self._publisher.publish, AT_ONCE, self._clock()):
                    pass
            except Failure as failure:
                log.warning("relay waits", error_code=failure.code)
                await self.wakeup.wait(AGAIN_SECONDS)
            await self.wakeup.wait(POLL_SECONDS)
