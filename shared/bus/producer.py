"""Publishing: everything acknowledged, or a failure that says "unknown"."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import structlog

from shared.bus.connection import record_limit
from shared.bus.wire import AccessRefused, Broker, BusUnavailable, Outgoing, Publisher, TopicForbidden, Unpublishable
from shared.events import Record
from shared.telemetry import UNTRACED, Tracing

log = structlog.get_logger(__name__)

_AT_ONCE = 500
"""Records in one go: 500 of 2 kB are one megabyte in memory for each publish call."""
_CALLS = 8
"""Publish calls at once; more wait."""


class Producer(AbstractAsyncContextManager["Producer"]):
    """Publishes records in the order given. Connects at the first publish; after a doubt it connects anew."""

    def __init__(self, broker: Broker, *, tracing: Tracing = UNTRACED) -> None:
        """Nothing is opened yet."""
        self._broker = broker
        self._tracing = tracing
        self._publisher: Publisher | None = None
        self._connecting = asyncio.Lock()
        self._room = asyncio.Semaphore(_CALLS)
        self._refused: BusUnavailable | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when every record is acknowledged by all in-sync replicas. Raises BusUnavailable when that is not
        known: some, all or none may have been written, and may still be; publish all again (consumers count an event
        once). Raises Unpublishable, before anything is sent, if a record is too large; `details["position"]`
        says which."""
        with self._tracing.sending(records) as traced:
            await self.send([Outgoing(record.topic, record.key, record.value, record.headers) for record in traced])

    async def send(self, records: Sequence[Outgoing]) -> None:
        """As `publish`, for records that are not events of ours: dead letters, replays."""
        for position, record in enumerate(records):
            if record.size > record_limit(record.topic):
                raise Unpublishable(problem="too large", position=position)
        remaining = iter(records)
        async with self._room:
            while batch := list(itertools.islice(remaining, _AT_ONCE)):
                with self._noting_refusals():
                    await self._send(batch)

    async def probe(self) -> None:
        """For `/ready`: raises AccessRefused or TopicForbidden when the last record was not taken for such a reason,
        which somebody has to put right; a broker that is away is told by those who listen."""
        if self._refused is not None:
            raise self._refused

    async def _send(self, batch: Sequence[Outgoing]) -> None:
        publisher = await self._connected()
        try:
            await publisher.send(batch)
        finally:
            if publisher.broken:
                await self._discard(publisher)

    @contextlib.contextmanager
    def _noting_refusals(self) -> Iterator[None]:
        try:
            yield
        except (AccessRefused, TopicForbidden) as refused:
            self._refused = refused
            raise
        self._refused = None

    async def _connected(self) -> Publisher:
        async with self._connecting:
            if self._publisher is None:
                publisher = self._broker.publisher()
                await publisher.start()
                self._publisher = publisher
            return self._publisher

    async def _discard(self, publisher: Publisher) -> None:
        if self._publisher is publisher:
            self._publisher = None
            log.warning("publisher discarded", error_code=BusUnavailable.code)
            await publisher.stop()

    async def stop(self) -> None:
        """Flush and close; may be called twice."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.stop()
