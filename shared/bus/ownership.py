"""What a member owns now, and how it is taken over, given back and committed."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection
from time import monotonic

import structlog

from shared.bus.assignment import Assignment
from shared.bus.lanes import Lanes
from shared.bus.wire import BusUnavailable, Member, MembershipLost, Place, Received
from shared.lifecycle import Tasks, Wakeup

log = structlog.get_logger(__name__)


class Ownership:
    """Hears a member's rebalances (`wire.Listener`). At most one assignment exists; a rebalance makes a new one."""

    def __init__(
        self,
        group: str,
        tasks: Tasks,
        *,
        handle: Callable[[Received, Lanes], Awaitable[None]],
        patience: Callable[[], float],
        revoke_timeout: float = math.inf,
        counted: Callable[[], None],
        time: Callable[[], float] = monotonic,
    ) -> None:
        """`handle` takes a record to its end; `patience` says how many seconds a drain may take, at most
        `revoke_timeout` while the group waits; `counted` is called once per assignment."""
        self._revoke_timeout = revoke_timeout
        self._group = group
        self._tasks = tasks
        self._handle = handle
        self._patience = patience
        self._counted = counted
        self._time = time
        self._releasing = asyncio.Lock()
        self._committing = asyncio.Lock()
        self._closed = False
        self.member: Member | None = None
        self.assignment: Assignment | None = None
        self.epoch = 0
        self.settled = asyncio.Event()
        """Set while no rebalance is going on, and only after the first one."""
        self.freed = Wakeup()
        """Woken when there may be room again."""

    async def revoked(self, *, lost: bool = False) -> None:
        """Finish within the patience, commit, forget: the group waits for us. Unless it did not: then just forget."""
        self.settled.clear()
        self.epoch += 1
        if lost and self.assignment is not None:
            self.assignment.fence()
            log.warning("partitions lost", group=self._group, epoch=self.assignment.epoch)
        await self._release(min(self._patience(), self._revoke_timeout))

    async def assigned(self, places: Collection[Place]) -> None:
        """Start from nothing: positions are the committed offsets."""
        if self._closed:
            return
        self.assignment = Assignment(self.epoch, places, self._tasks, handle=self._handle, freed=self.freed.wake)
        self._counted()
        self.settled.set()
        self.freed.wake()
        log.info("partitions assigned", group=self._group, partitions=len(places), epoch=self.epoch)

    async def close(self) -> None:
        """Take nothing more, finish within the patience, commit; nothing is taken over any more."""
        self._closed = True
        await self._release(self._patience())

    async def _release(self, seconds: float) -> None:
        """A second caller waits for the first."""
        async with self._releasing:
            assignment, self.assignment = self.assignment, None
            if assignment is None:
                return
            if not await assignment.lanes.drain(seconds):
                log.warning("handlers cancelled at the end of the drain", group=self._group)
            await self.commit(assignment)

    async def commit(self, assignment: Assignment) -> None:
        """Commit what is finished. A commit that failed is covered by the next one; one that the group refuses ends
        this assignment's commits."""
        async with self._committing:
            due = assignment.due()
            if not due or self.member is None:
                return
            try:
                await self.member.commit(due)
            except MembershipLost:
                assignment.fence()
                log.warning("membership lost", group=self._group, epoch=assignment.epoch)
            except BusUnavailable:
                log.warning("commit failed", group=self._group)
            else:
                assignment.committed(due)

    async def arrived(self, records: Collection[Received]) -> None:
        """Hand records to their lanes. They may come before `assigned` is called: then they wait for it; and they
        are dropped if yet another rebalance comes, since it starts again at the committed offsets."""
        epoch = self.epoch
        await self.settled.wait()
        assignment = self.assignment
        if assignment is None or epoch != self.epoch:
            return
        now = self._time()
        for record in records:
            assignment.dispatch(record, now)
