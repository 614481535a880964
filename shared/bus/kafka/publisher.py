"""Writing records, on aiokafka."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from shared.bus.connection import Connection
from shared.bus.kafka.clients import closed, producer_settings
from shared.bus.kafka.diagnosis import LOST, unavailable
from shared.bus.wire import BusUnavailable, Outgoing, TopicForbidden, Unpublishable
from shared.errors import Failure

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_FORBIDDEN = (InvalidTopicError, TopicAuthorizationFailedError)
"""The topic is at fault, not the record."""


class KafkaPublisher:
    """Writes records with acks from all in-sync replicas."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is opened yet."""
        self._connection = connection
        self._producer: Any = None
        self.broken = False

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(**producer_settings(self._connection))
        try:
            async with asyncio.timeout(self._connection.delivery_timeout):
                await self._producer.start()
        except LOST as error:
            await self.stop()
            raise await unavailable(self._connection, error) from error

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Send all, then wait for all acknowledgements. After a doubt this publisher is not used again, so that what
        it still holds cannot be written after newer records of the same key."""
        try:
            async with asyncio.timeout(self._connection.delivery_timeout):
                sent = [
                    await self._producer.send(r.topic, value=r.value, key=r.key, headers=list(r.headers))
                    for r in records
                ]
                results = await asyncio.gather(*sent, return_exceptions=True)
        except LOST as error:
            self.broken = True  # records before this one may still be on their way
            raise self._failed([error]) from error
        if failed := [result for result in results if isinstance(result, BaseException)]:
            raise self._failed(failed) from failed[0]

    def _failed(self, errors: Sequence[BaseException]) -> Failure:
        """What the errors mean. Where the answer is a clear no, this publisher is as good as before."""
        if all(isinstance(error, _TOO_LARGE) for error in errors):
            return Unpublishable(problem=type(errors[0]).__name__)
        clear = all(isinstance(error, _TOO_LARGE + _FORBIDDEN) for error in errors)
        self.broken = self.broken or not clear
        forbidden = next((error for error in errors if isinstance(error, _FORBIDDEN)), None)
        return TopicForbidden(topic=str(forbidden.args[0] if forbidden.args else "")) if forbidden else BusUnavailable()

    async def stop(self) -> None:
        """Flush, or give up after some seconds: what was not acknowledged is still in its outbox."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if not self.broken:
            await closed(producer.stop())
        producer._closed = True  # noqa: SLF001 # stop() would wait for records that nobody waits for any more
        await closed(producer._sender.close())  # noqa: SLF001
        await closed(producer.client.close())
