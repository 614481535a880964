"""Which offset of a partition may be committed: pure bookkeeping, no I/O."""


class OffsetTracker:
    """The offsets of one partition during one assignment, in dispatch order.

    Only the contiguous prefix of finished records is committable. Offsets may have gaps (transaction markers,
    compaction), so "contiguous" means: everything dispatched before it is finished."""

    def __init__(self) -> None:
        self._dispatched: dict[int, bool] = {}
        self._next: int | None = None
        self._committed: int | None = None

    def dispatch(self, offset: int) -> None:
        """A record was handed to a lane."""
        self._dispatched[offset] = False

    def finish(self, offset: int) -> None:
        """It was handled, skipped, or its dead letter acknowledged."""
        self._dispatched[offset] = True
        while self._dispatched and self._dispatched[first := next(iter(self._dispatched))]:
            del self._dispatched[first]
            self._next = first + 1

    @property
    def window(self) -> int:
        """Records that would come again if the process died now."""
        return len(self._dispatched)

    @property
    def due(self) -> int | None:
        """The offset to commit, or None when nothing new is finished."""
        return None if self._next == self._committed else self._next

    def committed(self, offset: int) -> None:
        """The broker holds `offset`. It never goes back within an assignment."""
        self._committed = max(offset, self._committed or 0)
