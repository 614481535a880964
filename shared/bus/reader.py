"""Looking into topics without taking part: ends, lag, tail, everything. For the console and for checks."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.bus.wire import Place, Received
from shared.events import Topic


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind in one partition."""

    group: str
    place: Place
    committed: int
    """The next offset to handle; 0 if the group never committed here, since it starts at the beginning."""
    end: int
    """The offset that the next record will get."""
    oldest: datetime | None
    """When the first record was written that is not finished; None if nothing waits."""
    lost: int = 0
    """Records that retention removed before the group had handled them."""

    @property
    def records(self) -> int:
        """Records that wait (with transaction markers: at most so many)."""
        return max(0, self.end - self.committed)

    def seconds(self, now: datetime) -> float:
        """Seconds that the first waiting record waits; 0 if none does."""
        return max(0.0, (now - self.oldest).total_seconds()) if self.oldest else 0.0


class Reader(AbstractAsyncContextManager["Reader"], Protocol):
    """Reads topics without a consumer group: it disturbs nobody and nobody knows of it. Raises BusUnavailable."""

    async def topics(self) -> Mapping[str, int]:
        """Partitions of every topic that exists."""

    async def ends(self, topics: Sequence[Topic]) -> Mapping[Place, int]:
        """The offset that the next record of each partition will get. True at some moment during the call."""

    async def committed(self, group: str, topics: Sequence[Topic]) -> Mapping[Place, int]:
        """Committed offsets of a group; partitions without one are missing."""

    async def lags(self, groups: Mapping[str, Sequence[Topic]]) -> Sequence[Lag]:
        """Lag of each group in every partition of its topics."""

    def read(self, topics: Sequence[Topic]) -> AsyncIterator[Received]:
        """Everything that is there when the call begins, from the oldest record on."""

    def tail(self, topics: Sequence[Topic]) -> AsyncGenerator[Received, None]:
        """Everything written from now on, without end; close the iterator (`contextlib.aclosing`). A slow reader
        gets records late, never too many at once."""

    async def record(self, place: Place, offset: int) -> Received | None:
        """The record at `offset`; None if it is gone or not there yet."""
