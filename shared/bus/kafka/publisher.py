"""Writing records, on aiokafka."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from shared.bus.connection import Connection
from shared.bus.kafka.clients import closed, producer_settings
from shared.bus.wire import BusUnavailable, Outgoing, Unpublishable

_PERMANENT = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError, TopicAuthorizationFailedError)


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
        except (KafkaError, OSError) as error:
            await self.stop()
            raise BusUnavailable from error

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
        except _PERMANENT as error:
            raise Unpublishable(problem=type(error).__name__) from error
        except (KafkaError, OSError) as error:
            self.broken = True
            raise BusUnavailable from error
        failed = [result for result in results if isinstance(result, BaseException)]
        if not failed:
            return
        if all(isinstance(error, _PERMANENT) for error in failed):
            raise Unpublishable(problem=type(failed[0]).__name__) from failed[0]
        self.broken = True
        raise BusUnavailable from failed[0]

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
