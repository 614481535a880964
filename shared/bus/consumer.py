"""The runner: takes records, runs handlers in lanes, commits what is finished and nothing else."""

import asyncio
import secrets
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import CollectorRegistry

from shared.bus.assignment import Assignment
from shared.bus.connection import MAX_POLL_SECONDS, Connection, check
from shared.bus.handling import Handlers, Handling, Policy
from shared.bus.metrics import BusMetrics
from shared.bus.producer import Producer
from shared.bus.retry import Outages, RetryBudget
from shared.bus.wire import Broker, BusUnavailable, Member, MembershipLost, Place, Received
from shared.clock import Clock
from shared.events import Topic, topics_of
from shared.lifecycle import Tasks, Wakeup

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.2
_BUSY_POLL_SECONDS = 0.02
"""While a partition is closed: soon it opens, and what is fetched already should not wait for silent partitions."""
_AT_ONCE = 500
_REJOIN_SECONDS = 2.0
_SILENT_SECONDS = MAX_POLL_SECONDS / 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a consumer holds."""

    lanes: int = 16
    window: int = 1000
    in_flight: int = 2000
    in_flight_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Health:
    """For /ready. `problem`: starting, broker, dead_letter_limit or dependency; None when all is well."""

    ready: bool
    """Owns its partitions (or knows that there are none for it) and talks to the broker."""
    problem: str | None
    partitions: int
    in_flight: int
    oldest_seconds: float


class Consumer(AbstractAsyncContextManager["Consumer"]):
    """One member of a group that hears some events.

    Promises: a record is committed only after its handler returned or its dead letter is acknowledged, so nothing is
    lost and anything may come twice; records of one key are handled in order and never at once. A handler that
    raises Unavailable (or OSError, or one of `outages`) holds its key until the dependency is back."""

    def __init__(
        self,
        broker: Broker,
        group: str,
        handlers: Handlers,
        *,
        clock: Clock,
        tasks: Tasks | None = None,
        topics: tuple[Topic, ...] | None = None,
        lanes: int = 16,
        window: int = 1000,
        retry: RetryBudget | None = None,
        outages: Outages = (),
        dead_limit: int = 50,
        drain_timeout: float = 20.0,
        commit_every: float = 0.25,
        metrics: BusMetrics | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        """`tasks`: the process's, so that a dying loop ends the process; without, `run` raises it. `topics`: default
        all that carry the handlers' events. `lanes`: handlers at once. `window`: uncommitted records per partition.
        `outages`: exceptions that mean that the service's own store is away. Times in seconds. Raises Misconfigured."""
        if isinstance(broker, Connection):
            check(broker.timing, drain_timeout)
        self._broker = broker
        self._group = group
        self._topics = topics or _topics(handlers)
        self._limits = Limits(lanes=lanes, window=window)
        self._drain_timeout = drain_timeout
        self._commit_every = commit_every
        self._metrics = metrics or BusMetrics(CollectorRegistry())
        self._metrics.declare(group, self._topics, tuple(handlers))
        self._producer = Producer(broker)
        policy = Policy(
            retry or RetryBudget(), (OSError, *outages), dead_limit, jitter or secrets.SystemRandom().random
        )
        self._handling = Handling(
            group, handlers, policy,
            slots=asyncio.Semaphore(lanes), producer=self._producer, clock=clock, metrics=self._metrics,
        )  # fmt: skip
        self._own_tasks = Tasks()
        self._tasks = tasks or self._own_tasks
        self._loops: list[asyncio.Task[None]] = []
        self._member: Member | None = None
        self._assignment: Assignment | None = None
        self._epoch = 0
        self._gate = asyncio.Event()
        self._releasing = asyncio.Lock()
        self._committing = asyncio.Lock()
        self._freed = Wakeup()
        self._stopping = False
        self._away = False
        self._polled = 0.0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self._own_tasks.__aexit__(kind, error, trace)

    async def start(self) -> None:
        """Begin. Joining takes up to 5 s and goes on in the background: see `joined` and `health`."""
        self._polled = asyncio.get_running_loop().time()
        self._loops = [
            self._tasks.spawn(self._poll_forever(), f"{self._group} poll"),
            self._tasks.spawn(self._commit_forever(), f"{self._group} commit"),
        ]

    async def joined(self) -> None:
        """Wait until partitions are assigned (perhaps none, if the group has more members than partitions)."""
        await self._gate.wait()

    async def run(self) -> None:
        """Run until cancelled; raises what kills a loop. For use without the context manager."""
        async with self:
            await self._tasks.crashed()

    async def stop(self) -> None:
        """Take nothing more, finish what is in flight within the drain time-out, commit, leave. May be called twice."""
        self._stopping = True
        await self._release()
        member, self._member = self._member, None
        if member is not None:
            await member.stop()
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._producer.stop()

    @property
    def health(self) -> Health:
        """What /ready says about this consumer."""
        now = asyncio.get_running_loop().time()
        assignment = self._assignment
        return Health(
            ready=self._problem(now) in {None, "dependency"},
            problem=self._problem(now),
            partitions=len(assignment.places) if assignment else 0,
            in_flight=assignment.in_flight if assignment else 0,
            oldest_seconds=assignment.oldest(now) if assignment else 0.0,
        )

    def _problem(self, now: float) -> str | None:
        if self._handling.held:
            return "dead_letter_limit"
        if self._away or now - self._polled > _SILENT_SECONDS:
            return "broker"
        if not self._gate.is_set():
            return "starting"
        return "dependency" if self._handling.waiting_out else None

    # What the group tells us.

    async def revoked(self) -> None:
        """Finish within the drain time-out, commit, forget: the group waits for us."""
        self._gate.clear()
        self._epoch += 1
        await self._release()

    async def assigned(self, places: Collection[Place]) -> None:
        """Start from nothing: positions are the committed offsets."""
        self._assignment = Assignment(
            self._epoch, places, self._tasks, handle=self._handling.handle, freed=self._freed.wake
        )
        self._metrics.rebalances.labels(self._group).inc()
        self._gate.set()
        self._freed.wake()
        log.info("partitions assigned", group=self._group, partitions=len(places), epoch=self._epoch)

    async def _release(self) -> None:
        async with self._releasing:
            assignment, self._assignment = self._assignment, None
            if assignment is None:
                return
            finished = await assignment.lanes.drain(0.0 if self._handling.held else self._drain_timeout)
            await self._commit(assignment)
            if not finished:
                log.warning("handlers cancelled at the end of the drain", group=self._group)

    # Taking.

    async def _poll_forever(self) -> None:
        while not self._stopping:
            member = self._member = self._broker.member(self._group, self._topics)
            try:
                await member.start(self)
                self._away = False
                while not self._stopping:
                    await self._poll(member)
            except BusUnavailable:
                self._away = True
                log.warning("broker away, joining again", group=self._group)
                await self.revoked()
                await member.stop()
                await asyncio.sleep(_REJOIN_SECONDS)

    async def _poll(self, member: Member) -> None:
        assignment = self._assignment
        self._polled = asyncio.get_running_loop().time()
        places = self._open(assignment)
        if not places or assignment is None:
            await member.touch()
            await self._freed.wait(_POLL_SECONDS)
            return
        limit = min(_AT_ONCE, self._limits.in_flight - assignment.in_flight)
        timeout = _POLL_SECONDS if len(places) == len(assignment.places) else _BUSY_POLL_SECONDS
        records = await member.poll(places, limit, timeout)
        if records:
            await self._dispatch(records)

    def _open(self, assignment: Assignment | None) -> list[Place]:
        if assignment is None or self._handling.held:
            return []
        full = assignment.in_flight >= self._limits.in_flight or assignment.bytes >= self._limits.in_flight_bytes
        return [] if full else assignment.open(self._limits.window)

    async def _dispatch(self, records: Collection[Received]) -> None:
        """Records may come before `assigned` was called: they wait for it. Those of an older epoch are dropped: their
        partitions start again at the committed offset."""
        epoch = self._epoch
        await self._gate.wait()
        assignment = self._assignment
        if assignment is None or epoch != self._epoch or self._stopping:
            return
        now = asyncio.get_running_loop().time()
        for record in records:
            assignment.dispatch(record, now)

    # Committing.

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(self._commit_every)
            if (assignment := self._assignment) is not None:
                await self._commit(assignment)
            self._gauge()

    async def _commit(self, assignment: Assignment) -> None:
        async with self._committing:
            due = assignment.due()
            if not due or self._member is None:
                return
            try:
                await self._member.commit(due)
            except MembershipLost:
                assignment.fence()
                log.warning("membership lost", group=self._group, epoch=assignment.epoch)
            except BusUnavailable:
                log.warning("commit failed, the next one covers it", group=self._group)
            else:
                assignment.committed(due)

    def _gauge(self) -> None:
        health = self.health
        self._metrics.in_flight.labels(self._group).set(health.in_flight)
        self._metrics.oldest.labels(self._group).set(health.oldest_seconds)
        self._metrics.paused.labels(self._group).set(self._handling.held)


def _topics(handlers: Handlers) -> tuple[Topic, ...]:
    """All topics that carry the events, each once, in the contract's order."""
    return tuple(dict.fromkeys(topic for event in handlers for topic in topics_of(event)))
