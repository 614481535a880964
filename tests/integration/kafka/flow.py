"""A steady flow of events through a topic while brokers fail, and whether it arrived whole and in order."""

import asyncio
from collections import defaultdict
from uuid import UUID

from shared.bus import BusUnavailable, Context, Producer
from shared.events import PersonErased
from tests.contract.bus.scenery import erased, outgoing, until

KEYS = 24


class Flow:
    """Publishes one version after the other of every key and remembers what is heard."""

    def __init__(self, topic: str) -> None:
        """Nothing is published yet."""
        self._topic = topic
        self.published = 0
        """Versions that were acknowledged for every key."""
        self.doubts = 0
        """Batches that were not acknowledged in time and were sent again."""
        self.faults: list[str] = []
        self._heard: dict[UUID, int] = defaultdict(int)
        self._stopped = False

    @property
    def heard(self) -> int:
        """Versions that were heard of every key."""
        return min((self._heard[erased(key).subject] for key in range(KEYS)), default=0)

    async def hear(self, event: PersonErased, _: Context) -> None:
        """The consumer's handler. A repeat is well; a version that comes before the one below it is not."""
        last = self._heard[event.subject]
        if event.version > last + 1:
            self.faults.append(f"skip from {last} to {event.version}")
        self._heard[event.subject] = max(last, event.version)

    async def publish(self, producer: Producer) -> None:
        """Until stopped. What is in doubt is published again, as an outbox does it."""
        while not self._stopped:
            version = self.published + 1
            try:
                await producer.send([outgoing(erased(key, version), self._topic) for key in range(KEYS)])
            except BusUnavailable:
                self.doubts += 1
                continue
            self.published = version
            await asyncio.sleep(0.01)  # leaves the machine to the brokers

    def stop(self) -> None:
        """Publish no more."""
        self._stopped = True

    async def goes_on(self, versions: int = 30, seconds: float = 120.0) -> None:
        """Wait until so many versions more have been published and heard."""
        goal = self.published + versions
        await until(lambda: self.heard >= goal, seconds)

    async def arrived(self, seconds: float = 120.0) -> None:
        """Wait until everything that was acknowledged has been heard; fails on disorder."""
        await until(lambda: self.heard >= self.published, seconds)
        assert self.faults == []
