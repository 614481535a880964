"""`Reader` in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from shared.bus.reader import Lag
from shared.bus.wire import Place, Received
from shared.events import Topic

if TYPE_CHECKING:
    from shared.bus.memory.broker import MemoryBroker


class MemoryReader:
    """Looks into memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        """Nothing to open."""
        self._broker = broker

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def topics(self) -> Mapping[str, int]:
        """Partitions of every topic."""
        return dict(Counter(place.topic for place in self._broker.logs))

    async def ends(self, topics: Sequence[Topic]) -> Mapping[Place, int]:
        """Lengths of the logs."""
        return {place: len(self._broker.logs[place]) for place in self._broker.places(topics)}

    async def committed(self, group: str, topics: Sequence[Topic]) -> Mapping[Place, int]:
        """Committed offsets."""
        wanted = set(self._broker.places(topics))
        return {place: offset for place, offset in self._broker.committed(group).items() if place in wanted}

    async def lags(self, groups: Mapping[str, Sequence[Topic]]) -> Sequence[Lag]:
        """Lag of every partition."""
        return [
            self._lag(group, place, self._broker.committed(group).get(place, 0))
            for group, topics in groups.items()
            for place in self._broker.places(topics)
        ]

    def _lag(self, group: str, place: Place, committed: int) -> Lag:
        log = self._broker.logs[place]
        return Lag(group, place, committed, len(log), log[committed].timestamp if committed < len(log) else None)

    async def read(self, topics: Sequence[Topic]) -> AsyncIterator[Received]:
        """Everything that is there now."""
        for record in [record for place in self._broker.places(topics) for record in self._broker.logs[place]]:
            yield record

    async def tail(self, topics: Sequence[Topic]) -> AsyncGenerator[Received, None]:
        """Everything from now on."""
        positions = dict(await self.ends(topics))
        while True:
            for place, position in positions.items():
                fresh = self._broker.logs[place][position:]
                positions[place] = position + len(fresh)
                for record in fresh:
                    yield record
            await self._broker.more(1.0)

    async def record(self, place: Place, offset: int) -> Received | None:
        """One record."""
        log = self._broker.logs.get(place, [])
        return log[offset] if 0 <= offset < len(log) else None
