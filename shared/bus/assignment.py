"""What a member owns between two rebalances; made anew each time, so nothing of an older one can leak in."""

from collections.abc import Awaitable, Callable, Collection

from shared.bus.lanes import Lanes
from shared.bus.offsets import OffsetTracker
from shared.bus.wire import Place, Received
from shared.lifecycle import Tasks


class Assignment:
    """Partitions, their offsets and what is in flight, of one epoch."""

    def __init__(
        self,
        epoch: int,
        places: Collection[Place],
        tasks: Tasks,
        *,
        handle: Callable[[Received, Lanes], Awaitable[None]],
        freed: Callable[[], None],
    ) -> None:
        """`handle` takes a record to its end or raises Abandoned; `freed` is called after each."""
        self.epoch = epoch
        self.lanes = Lanes(self._work, tasks)
        self._handle = handle
        self._freed = freed
        self.fenced = False
        """The group has moved on: nothing is committed or begun any more."""
        self.bytes = 0
        self._trackers = {place: OffsetTracker() for place in places}
        self._taken: dict[tuple[Place, int], tuple[float, Received]] = {}

    @property
    def places(self) -> Collection[Place]:
        """The partitions."""
        return self._trackers.keys()

    @property
    def in_flight(self) -> int:
        """Records taken and not finished."""
        return len(self._taken)

    def oldest(self, now: float) -> float:
        """Age in seconds of the oldest record in flight; 0 if there is none."""
        return now - next(iter(self._taken.values()))[0] if self._taken else 0.0

    def open(self, window: int) -> list[Place]:
        """Partitions with less than `window` uncommitted records: one stuck record must not let the rest run away."""
        return [] if self.fenced else [place for place, offsets in self._trackers.items() if offsets.window < window]

    def dispatch(self, record: Received, now: float) -> None:
        """Hand `record` to its lane."""
        self._trackers[record.place].dispatch(record.offset)
        self._taken[record.place, record.offset] = now, record
        self.bytes += record.size
        self.lanes.put(record)

    async def _work(self, record: Received) -> None:
        await self._handle(record, self.lanes)
        self._trackers[record.place].finish(record.offset)
        del self._taken[record.place, record.offset]
        self.bytes -= record.size
        self._freed()

    def due(self) -> dict[Place, int]:
        """What may be committed and is not yet."""
        if self.fenced:
            return {}
        return {place: offset for place, tracker in self._trackers.items() if (offset := tracker.due) is not None}

    def committed(self, offsets: dict[Place, int]) -> None:
        """The broker holds `offsets`."""
        for place, offset in offsets.items():
            self._trackers[place].committed(offset)

    def fence(self) -> None:
        """Membership is lost: begin and commit nothing more."""
        self.fenced = True
        self.lanes.drop()
