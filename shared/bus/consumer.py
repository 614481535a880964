"""The runner: takes records, runs handlers in lanes, commits what is finished and nothing else."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import CollectorRegistry

from shared.bus.connection import DURABLE, MAX_POLL_SECONDS, Connection, check
from shared.bus.handling import Handlers, Handling
from shared.bus.health import Health, diagnose
from shared.bus.metrics import BusMetrics
from shared.bus.ownership import Ownership
from shared.bus.producer import Producer
from shared.bus.retry import Outages, RetryBudget
from shared.bus.trying import Policy
from shared.bus.watch import Watch
from shared.bus.watchdog import Watchdog
from shared.bus.wire import AccessRefused, Broker, BusUnavailable, Member, Place, TopicUnfit
from shared.clock import Clock
from shared.events import Topic, topics_of
from shared.lifecycle import Tasks
from shared.telemetry import UNTRACED, Tracing

log = structlog.get_logger(__name__)

_AT_ONCE = 500
_POLL_SECONDS = 0.2
_BUSY_POLL_SECONDS = 0.02
"""While a partition is closed: it opens soon, and what is fetched already must not wait for silent partitions."""
_REJOIN_SECONDS = 2.0
_TOPICS_SECONDS = 30.0
"""A broker that was away and came back empty, or came after us, gets its topics a moment after it answers."""
_SILENT_SECONDS = MAX_POLL_SECONDS / 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a consumer holds: handlers at once, uncommitted records per partition (plus one poll of 500),
    records and bytes taken and not finished."""

    lanes: int = 16
    window: int = 1000
    in_flight: int = 2000
    in_flight_bytes: int = 32 * 1024 * 1024


class Consumer(AbstractAsyncContextManager["Consumer"]):
    """One member of a group that hears some events.

    Promises: a record is committed only after its handler returned or its dead letter is acknowledged, so nothing is
    lost and anything may come twice; records of one key are handled in order and never at once. A handler that
    raises Unavailable (or OSError, or one of `outages`) holds its key until the dependency is back; one that does not
    return within `handler_limit` is cancelled, tried again once and then given up."""

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
        handler_limit: float = 120.0,
        metrics: BusMetrics | None = None,
        tracing: Tracing = UNTRACED,
        jitter: Callable[[], float] | None = None,
        time: Callable[[], float] = monotonic,
    ) -> None:
        """`tasks`: the process's, so that a dying loop ends the process; without, `run` raises it. `topics`: default
        all that carry the handlers' events. `lanes`: handlers at once. `window`: uncommitted records per partition.
        `outages`: exceptions that mean that the service's own store is away. Times in seconds. Raises Misconfigured."""
        revoke_timeout, session = drain_timeout, DURABLE.session
        if isinstance(broker, Connection):
            check(broker.timing, drain_timeout)
            revoke_timeout, session = broker.timing.revoke, broker.timing.session
        self._broker = broker
        self._group = group
        self._topics = topics or tuple(dict.fromkeys(topic for event in handlers for topic in topics_of(event)))
        self._limits = Limits(lanes=lanes, window=window)
        self._commit_every = commit_every
        self._metrics = metrics or BusMetrics(CollectorRegistry())
        self._metrics.declare(group, self._topics, tuple(handlers))
        self._producer = Producer(broker)
        self._time = time
        watchdog = Watchdog(handler_limit, time, lambda topic: self._metrics.stuck.labels(group, topic).inc())
        self._handling = Handling(
            group,
            handlers,
            Policy(retry or RetryBudget(), (OSError, *outages), dead_limit, jitter or secrets.SystemRandom().random),
            slots=asyncio.Semaphore(lanes),
            watchdog=watchdog,
            producer=self._producer,
            clock=clock,
            time=time,
            metrics=self._metrics,
            tracing=tracing,
        )
        self._own_tasks = Tasks()
        self._tasks = tasks or self._own_tasks
        self._owned = Ownership(
            group,
            self._tasks,
            handle=self._handling.handle,
            patience=lambda: 0.0 if self._handling.burial.held or self._watch.broken else drain_timeout,
            revoke_timeout=revoke_timeout,
            counted=self._metrics.rebalances.labels(group).inc,
            time=time,
        )
        self._loops: list[asyncio.Task[None]] = []
        self._stopping = False
        self._away: BusUnavailable | None = None
        self._topics_by = 0.0
        self._polled = time()
        self._watch = Watch(
            group,
            watchdog,
            session=session,
            time=time,
            metrics=self._metrics,
            polled=lambda: self._polled,
            health=lambda: self.health,
        )

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
        self._polled = self._time()
        loops = {"poll": self._poll_forever(), "commit": self._commit_forever(), "watch": self._watch.run()}
        self._loops = [self._tasks.spawn(loop, f"{self._group} {name}") for name, loop in loops.items()]

    async def joined(self) -> None:
        """Wait until partitions are assigned (perhaps none, if the group has more members than partitions)."""
        await self._owned.settled.wait()

    async def run(self) -> None:
        """Run until cancelled; raises what kills a loop. For use without the context manager."""
        async with self:
            await self._tasks.crashed()

    async def stop(self) -> None:
        """Take nothing more, finish what is in flight within the drain time-out, commit, leave. May be called twice."""
        self._stopping = True
        await self._owned.close()
        member, self._owned.member = self._owned.member, None
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
        now, owned = self._time(), self._owned.assignment
        away = self._away is not None or now - self._polled > _SILENT_SECONDS
        problem = diagnose(self._handling, self._watch.broken, now, away=away, settled=self._owned.settled.is_set())
        refused = self._away.message if isinstance(self._away, AccessRefused) else None
        return Health.of(self._group, problem, owned, self._handling, now, refused=refused)

    async def probe(self) -> str | None:
        """For `/ready`: nothing, or what is waited for. Raises NotHearing."""
        return self.health.probe()

    async def _poll_forever(self) -> None:
        """Join, and poll for as long as the membership lasts; a membership that breaks is replaced."""
        while not self._stopping:
            self._polled = self._time()
            member = self._owned.member = self._broker.member(self._group, self._topics)
            try:
                await member.start(self._owned)
                self._away = None
                while not self._stopping:
                    await self._poll(member)
            except (BusUnavailable, TopicUnfit) as failure:
                if isinstance(failure, BusUnavailable):
                    self._away, self._topics_by = failure, self._time() + _TOPICS_SECONDS
                elif self._away is None or not failure.missing or self._time() > self._topics_by:
                    raise
                log.warning(
                    "broker away, joining again", group=self._group, error_code=failure.code, reason=failure.message
                )
                await self._owned.revoked()
                await member.stop()
                await asyncio.sleep(_REJOIN_SECONDS)

    async def _poll(self, member: Member) -> None:
        """One round. A member that takes nothing still polls: else the group would think it dead, and one without
        partitions could never get any."""
        self._polled = self._time()
        places, limit, timeout = self._room()
        if not places:
            await member.touch()
            await self._owned.freed.wait(_POLL_SECONDS)
            return
        records = await member.poll(places, limit, timeout)
        if records and not self._stopping:
            await self._owned.arrived(records)

    def _room(self) -> tuple[list[Place], int, float]:
        """From where how many records may be taken now, and how long to wait for the first. Backpressure is this
        filter: pausing a partition would throw away what is fetched already."""
        assignment, limits = self._owned.assignment, self._limits
        if assignment is None or self._handling.burial.held or assignment.bytes >= limits.in_flight_bytes:
            return [], 0, 0.0
        limit = min(_AT_ONCE, limits.in_flight - assignment.in_flight)
        if limit <= 0:
            return [], 0, 0.0
        places = assignment.open(limits.window)
        return places, limit, _POLL_SECONDS if len(places) == len(assignment.places) else _BUSY_POLL_SECONDS

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(self._commit_every)
            if (assignment := self._owned.assignment) is not None:
                await self._owned.commit(assignment)


async def probe_all(consumers: Sequence[Consumer]) -> str | None:
    """For `/ready` of a service with several. Raises NotHearing."""
    return "; ".join([said for consumer in consumers if (said := await consumer.probe())]) or None
