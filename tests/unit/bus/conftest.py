"""A broker in memory and consumers that are stopped at the end of the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from shared.bus import Consumer, MemoryBroker, Place, Producer, RetryBudget
from shared.events import PEOPLE, Event, PersonErased, encode
from tests.contract.bus.scenery import Heard, clock

GROUP = "otp"


class Stage:
    """One topic in memory, its producer and its consumers."""

    def __init__(self, stack: AsyncExitStack) -> None:
        """Nothing is published or heard yet."""
        self.broker = MemoryBroker(clock)
        self.producer = Producer(self.broker)
        self.heard = Heard()
        self._stack = stack

    async def publish(self, *events: Event) -> None:
        """All of them, in order."""
        await self.producer.publish([encode(event) for event in events])

    async def consumer(self, **options: Any) -> Consumer:
        """A member of the group, with its partitions."""
        chosen: dict[str, Any] = {
            "commit_every": 0.01,
            "drain_timeout": 600.0,
            "retry": RetryBudget(first=0.001, seconds=600.0),
        } | options
        handler: Callable[..., Any] = chosen.pop("handler", self.heard)
        consumer = Consumer(self.broker, GROUP, {PersonErased: handler}, clock=clock, **chosen)
        await self._stack.enter_async_context(consumer)
        await consumer.joined()
        return consumer

    def place(self, event: Event) -> Place:
        """Where `event` lies."""
        return next(record.place for record in self.broker.records(PEOPLE.name) if record.key == event.key.encode())

    def committed(self) -> int:
        """Records of the topic that the group has committed."""
        return sum(self.broker.committed(GROUP).values())

    def dead(self) -> int:
        """Dead letters of the topic."""
        return len(self.broker.records(PEOPLE.dead.name))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The stage."""
    async with AsyncExitStack() as stack:
        made = Stage(stack)
        yield made
        made.heard.gate.set()  # else what a test left waiting costs a whole drain
