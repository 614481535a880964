"""What records wait for, and since when: an outage costs no attempt, so nothing else would ever end it or tell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.bus.wire import Place, Received
from shared.clock import Clock
from shared.errors import Failure


@dataclass(slots=True)
class Wait:
    """One record that waits."""

    topic: str
    """Where it lies."""
    dependency: str
    """Code of the failure, else the exception's class name."""
    began: float
    """Seconds, monotonic."""
    since: datetime


class Waits:
    """The records that wait now."""

    def __init__(self, clock: Clock, time: Callable[[], float]) -> None:
        """Nothing waits."""
        self._clock = clock
        self._time = time
        self._all: dict[tuple[Place, int], Wait] = {}

    @property
    def oldest(self) -> Wait | None:
        """The one that waits longest."""
        return next(iter(self._all.values()), None)

    def __len__(self) -> int:
        return len(self._all)

    def hold(self, record: Received, error: Exception) -> None:
        """`record` waits because of `error`, since the first error."""
        dependency = error.code if isinstance(error, Failure) else type(error).__name__
        if wait := self._all.get((record.place, record.offset)):
            wait.dependency = dependency
        else:
            place, offset = record.place, record.offset
            self._all[place, offset] = Wait(place.topic, dependency, self._time(), self._clock())

    def release(self, record: Received) -> None:
        """It waits no longer; harmless when it did not."""
        if self._all:
            self._all.pop((record.place, record.offset), None)
