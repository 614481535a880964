"""Giving a record up: its dead letter acknowledged, or the record held; never lost, and never all of a topic."""

import asyncio
from collections.abc import Callable

import structlog

from shared.bus.dead import DeadLetter
from shared.bus.lanes import Lanes
from shared.bus.metrics import BusMetrics, reason_label
from shared.bus.producer import Producer
from shared.bus.retry import RetryBudget, Tries
from shared.bus.trying import GivenUp, Policy, Trying
from shared.bus.waits import Waits
from shared.bus.wire import Received
from shared.clock import Clock

log = structlog.get_logger(__name__)

_REFUSED = RetryBudget(first=1.0, longest=60.0)
"""Pauses after a dead letter topic said no for good; there is no last attempt, since the record would be lost."""
_WRITERS = 8
"""Dead letters written at once: a topic of poison must not fill the memory with copies."""


class Burial:
    """Writes the dead letters of one group, and stops at too many in a row."""

    def __init__(
        self,
        group: str,
        policy: Policy,
        trying: Trying,
        producer: Producer,
        *,
        clock: Clock,
        time: Callable[[], float],
        metrics: BusMetrics,
    ) -> None:
        """`policy.dead_limit`: so many in a row with nothing handled between. `time`: seconds, monotonic."""
        self._group = group
        self._policy = policy
        self._trying = trying
        self._producer = producer
        self._clock = clock
        self._time = time
        self._metrics = metrics
        self._in_a_row = 0
        self._writers = asyncio.Semaphore(_WRITERS)
        self.unwritten = Waits(clock, time)
        """Records whose dead letter cannot be written."""

    @property
    def held(self) -> bool:
        """Too many dead letters in a row: nothing more is given up until a restart."""
        return self._in_a_row >= self._policy.dead_limit

    def handled(self) -> None:
        """A record was handled: the fault is not ours."""
        self._in_a_row = 0

    async def bury(self, record: Received, event: str, given: GivenUp, lanes: Lanes) -> None:
        """Returns when the dead letter is acknowledged: only then may the offset count. Raises Abandoned when the lanes
        are drained before that."""
        while self.held:
            await lanes.pause(3600)
        self._in_a_row += 1
        letter = DeadLetter.of(
            record, given.error, group=self._group, attempts=given.attempts, seconds=given.seconds, at=self._clock()
        )
        await self._write(letter, record, event, lanes)
        self._metrics.dead.labels(self._group, record.place.topic, reason_label(letter.reason)).inc()
        self._metrics.records.labels(self._group, record.place.topic, event, "dead").inc()
        log.warning(
            "dead letter", group=self._group, topic=record.place.topic, partition=record.place.partition,
            offset=record.offset, reason_code=letter.reason, error_code=letter.error, attempts=given.attempts,
            exc_info=given.error,
        )  # fmt: skip

    async def _write(self, letter: DeadLetter, record: Received, event: str, lanes: Lanes) -> None:
        """Until it is written. What the topic refuses for good (too large for it) is held all the same: an operator can
        make room, and nobody can bring back what is lost."""

        async def send(tries: Tries) -> None:
            async with self._writers:
                tries.begin(self._time())
                await self._producer.send([letter.outgoing()])

        refusals = 0
        try:
            while refused := await self._trying.until_done(send, record, event, lanes, self.unwritten):
                self.unwritten.hold(record, refused.error)
                refusals += 1
                log.error(
                    "dead letter refused", group=self._group, topic=letter.outgoing().topic, offset=record.offset,
                    error=type(refused.error).__name__, refusals=refusals,
                )  # fmt: skip
                await lanes.pause(_REFUSED.pause(refusals, self._policy.jitter()))
        finally:
            self.unwritten.release(record)
