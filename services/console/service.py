"""What the console does: look at ends and offsets every few seconds, follow the topics, read dead letters."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from services.console.domain import (
    ADVICE,
    DEFAULT_ADVICE,
    DeadDetail,
    DeadRow,
    Field,
    LagRow,
    NoSuchName,
    NoSuchRecord,
    Pace,
    RecordRow,
    Sample,
    TopicRow,
    grouped,
    lag_rows,
    matches,
    shown,
    topic_rows,
)
from services.console.metrics import Gauges
from shared.bus import ALL_TOPICS as EVERY_TOPIC
from shared.bus import BusUnavailable, DeadLetter, Place, Reader, Received
from shared.clock import Clock
from shared.errors import Failure, Unavailable
from shared.events import TOPICS, Topic, decode
from shared.events.catalogue import GROUPS
from shared.events.codec import event_type

log = structlog.get_logger(__name__)

ROWS_PER_SECOND = 20
"""More than that nobody reads (operator.md T3); the rest is counted."""
DEAD_LIMIT = 5_000
"""Dead letters that are grouped; more than that is a bulk problem, and the newest say which."""
TAILS = 20
"""Tails at the same time, over all operators: each reads every topic."""
DEAD_TOPICS = tuple(topic.dead for topic in TOPICS)
_READ_AGAIN = timedelta(minutes=10)
"""Dead letters that nobody added to may still have been removed by retention."""
_SILENT = timedelta(seconds=30)
"""Without a sample for so long, the broker is away."""


class TooManyTails(Unavailable):
    """Too many people follow the topics at the moment; try again later."""

    code = "too_many_tails"


class Watch:
    """The console's eyes. Reads only, by position, and keeps the last two samples."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._now: Sample | None = None
        self._before: Sample | None = None
        self._dead: tuple[Mapping[Place, int], datetime, tuple[DeadRow, ...]] | None = None
        self._tails = 0
        self._trouble: BusUnavailable | None = None

    async def run(self, every: float) -> None:
        """Sample for ever, each `every` seconds; a broker that does not answer is asked again, and why is logged."""
        while True:
            with contextlib.suppress(BusUnavailable):
                await self.sample()
            await asyncio.sleep(every)

    async def sample(self) -> Sample:
        """Look now. Raises BusUnavailable; each cause is logged once."""
        try:
            ends = await self._reader.ends(EVERY_TOPIC)
        except BusUnavailable as failure:
            if self._trouble is None or self._trouble.message != failure.message:
                log.warning("the broker cannot be asked", error_code=failure.code, reason=failure.message)
            self._trouble = failure
            raise
        self._trouble = None
        self._before, self._now = self._now, Sample(self._clock(), ends)
        return self._now

    async def ready(self) -> None:
        """Raises BusUnavailable when the broker has not answered lately. Asks it only before the first sample."""
        seen = self._now or await self.sample()
        if self._clock() - seen.at > _SILENT:
            raise self._trouble or BusUnavailable

    async def topics(self) -> Sequence[TopicRow]:
        """One row per topic, as the newest sample saw it."""
        return topic_rows(self._now or await self.sample(), self._before)

    async def lag(self, group: str | None = None) -> Sequence[LagRow]:
        """One row per group and topic; `group` narrows it. Raises NoSuchName."""
        if group is not None and group not in GROUPS:
            raise NoSuchName(kind="group", known=", ".join(GROUPS))
        wanted = {name: topics for name, topics in GROUPS.items() if group in (None, name)}
        return lag_rows(await self._reader.lags(wanted), self._clock())

    async def measure(self, gauges: Gauges, every: float) -> None:
        """Probe for ever, each `every` seconds. When the broker does not answer, the gauges stay, and grow old."""
        while True:
            with contextlib.suppress(BusUnavailable):
                await self.probe(gauges)
            await asyncio.sleep(every)

    async def probe(self, gauges: Gauges) -> None:
        """Look at all groups now, also at those that are dead or paused."""
        gauges.show(await self._reader.lags(GROUPS), await self.dead(), self._clock())

    async def dead(self) -> Sequence[DeadRow]:
        """Dead letters by topic, group and reason. Pages ask every few seconds: they are read again when there are
        more."""
        ends, now = await self._reader.ends(DEAD_TOPICS), self._clock()
        if self._dead is None or self._dead[0] != ends or now - self._dead[1] > _READ_AGAIN:
            self._dead = ends, now, await self._read_dead()
        return self._dead[2]

    async def _read_dead(self) -> tuple[DeadRow, ...]:
        newest: deque[DeadDetail] = deque(maxlen=DEAD_LIMIT)
        async for record in self._reader.read(DEAD_TOPICS):
            if (letter := DeadLetter.read(record)) is not None:
                newest.append(_detail(record, letter))
        return grouped(newest)

    async def dead_letter(self, topic: str, partition: int, offset: int) -> DeadDetail:
        """One dead letter. Raises NoSuchRecord."""
        known = any(each.name == topic and 0 <= partition < each.partitions for each in DEAD_TOPICS)
        record = await self._reader.record(Place(topic, partition), offset) if known else None
        letter = DeadLetter.read(record) if record else None
        if record is None or letter is None:
            raise NoSuchRecord(place=f"{topic}/{partition}/{offset}")
        return _detail(record, letter)

    def tail(self, appointment: str | None, topic: str | None) -> AsyncGenerator[RecordRow | int, None]:
        """Rows as they are written, at most ROWS_PER_SECOND; then the number of those left out. Raises TooManyTails and
        NoSuchName at once, while an answer can still have a status."""
        if self._tails >= TAILS:
            raise TooManyTails(retry_after=60)
        wanted = [each for each in TOPICS if topic in (None, each.name)]
        if not wanted:
            raise NoSuchName(kind="topic", known=", ".join(each.name for each in TOPICS))
        return self._follow(appointment, wanted)

    async def _follow(self, appointment: str | None, wanted: Sequence[Topic]) -> AsyncGenerator[RecordRow | int, None]:
        self._tails += 1
        pace = Pace(ROWS_PER_SECOND, self._clock())
        try:
            async with contextlib.aclosing(self._reader.tail(wanted)) as records:
                async for record in records:
                    if not matches(row := _row(record), appointment):
                        continue
                    show, left_out = pace.admit(self._clock())
                    if left_out:
                        yield left_out
                    if show:
                        yield row
        finally:
            self._tails -= 1


def _detail(record: Received, letter: DeadLetter) -> DeadDetail:
    event, fields = _readable(letter.value, letter.headers)
    return DeadDetail(
        place=f"{record.place.topic}/{record.place.partition}/{record.offset}",
        reason=letter.reason,
        error=letter.error,
        group=letter.group,
        attempts=letter.attempts,
        failed_at=letter.at,
        origin=f"{letter.topic}/{letter.partition}/{letter.offset}",
        event=event,
        key=_key(letter.key),
        size=len(letter.value or b""),
        fields=fields,
        advice=ADVICE.get(letter.reason, DEFAULT_ADVICE),
    )


def _row(record: Received) -> RecordRow:
    event, fields = _readable(record.value, record.headers)
    return RecordRow(
        at=record.timestamp,
        topic=record.place.topic,
        partition=record.place.partition,
        offset=record.offset,
        key=_key(record.key),
        event=event,
        fields=fields,
    )


def _readable(value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> tuple[str, dict[str, Field]]:
    """Event type and fields of a record; what is not an event of the contract is named, never shown."""
    try:
        event = decode(value, headers)
    except Failure as failure:
        try:
            return event_type(headers), {"unreadable": failure.code}
        except Failure:
            return "?", {"unreadable": failure.code}
    return event.type, shown(event)


def _key(raw: bytes | None) -> str:
    """Keys of ours are UUIDs; anything else could be personal and is not shown."""
    text = (raw or b"").decode("ascii", "replace")
    return text if len(text) == 36 and text.replace("-", "").isalnum() else "•••"
