"""What the console does: look at ends and offsets every few seconds, follow the topics, read dead letters."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

import structlog

from services.console.domain import (
    ADVICE,
    DEFAULT_ADVICE,
    DeadDetail,
    DeadRow,
    Field,
    LagRow,
    NoSuchRecord,
    RecordRow,
    Sample,
    TopicRow,
    Topics,
    grouped,
    lag_seconds,
    matches,
    shown,
    topic_rows,
)
from shared.bus import BusUnavailable, DeadLetter, Place, Received
from shared.clock import Clock
from shared.errors import Failure, Unavailable
from shared.events import TOPICS, decode
from shared.events.codec import event_type

log = structlog.get_logger(__name__)

ROWS_PER_BATCH = 20
"""What a person can read (operator.md T1): a batch comes at most twice a second, the rest is counted."""
DEAD_LIMIT = 1_000
"""Dead letters that are looked at per topic; more than that is a bulk problem and the newest say which."""
TAILS = 20
"""Tails at the same time, over all operators: each reads every topic."""


class TooManyTails(Unavailable):
    """Too many people follow the topics at the moment; try again later."""

    code = "too_many_tails"


class Watch:
    """The console's eyes. Reads only, by position, and keeps the last two samples."""

    def __init__(self, topics: Topics, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self._now: Sample | None = None
        self._before: Sample | None = None
        self._tails = 0

    async def run(self, every: float) -> None:
        """Sample for ever, each `every` seconds; a broker that does not answer is asked again."""
        while True:
            with contextlib.suppress(BusUnavailable):
                await self.sample()
            await asyncio.sleep(every)

    async def sample(self) -> Sample:
        """Look now."""
        ends = await self._topics.ends()
        self._before, self._now = self._now, Sample(self._clock(), ends)
        return self._now

    async def topics(self) -> Sequence[TopicRow]:
        """One row per topic."""
        return topic_rows(self._now or await self.sample(), self._before)

    async def lag(self, group: str | None = None) -> Sequence[LagRow]:
        """One row per group and topic; `group` narrows it."""
        ends = (await self.sample()).ends
        committed = await self._topics.committed()
        rows = [
            await self._lag_row(name, topic, places, ends)
            for name, offsets in sorted(committed.items())
            if group in (None, name)
            for topic, places in sorted(_by_topic(offsets).items())
        ]
        return tuple(rows)

    async def _lag_row(
        self, group: str, topic: str, offsets: Mapping[Place, int], ends: Mapping[str, Mapping[int, int]]
    ) -> LagRow:
        waiting = {
            place: ends.get(topic, {}).get(place.partition, offset) - offset for place, offset in offsets.items()
        }
        behind = [place for place, records in waiting.items() if records > 0]
        first = [record for place in behind if (record := await self._topics.record(place, offsets[place]))]
        oldest = min((record.timestamp for record in first), default=None)
        return LagRow(
            group=group,
            topic=topic,
            records=sum(waiting[place] for place in behind),
            seconds=lag_seconds(self._clock(), oldest),
        )

    async def dead(self) -> Sequence[DeadRow]:
        """Dead letters by topic, group and reason."""
        return grouped([letter for topic in TOPICS async for letter in self._letters(topic.dead.name)])

    async def _letters(self, topic: str) -> AsyncIterator[DeadDetail]:
        async for record in self._topics.history(topic, DEAD_LIMIT):
            if (letter := DeadLetter.read(record)) is not None:
                yield _detail(record, letter)

    async def dead_letter(self, topic: str, partition: int, offset: int) -> DeadDetail:
        """One dead letter. Raises NoSuchRecord."""
        place = Place(topic, partition)
        known = topic in {each.dead.name for each in TOPICS}
        record = await self._topics.record(place, offset) if known else None
        letter = DeadLetter.read(record) if record and record.offset == offset else None
        if record is None or letter is None:
            raise NoSuchRecord(place=f"{topic}/{partition}/{offset}")
        return _detail(record, letter)

    async def tail(self, appointment: str | None, topic: str | None) -> AsyncIterator[Sequence[RecordRow] | int]:
        """Batches of at most ROWS_PER_BATCH rows, and counts of those left out. Raises TooManyTails."""
        if self._tails >= TAILS:
            raise TooManyTails(retry_after=60)
        self._tails += 1
        try:
            wanted = [each.name for each in TOPICS if topic in (None, each.name)]
            async for batch in self._topics.tail(wanted):
                rows = [row for record in batch if matches(row := _row(record), appointment)]
                yield rows[:ROWS_PER_BATCH]
                if len(rows) > ROWS_PER_BATCH:
                    yield len(rows) - ROWS_PER_BATCH
        finally:
            self._tails -= 1


def _by_topic(offsets: Mapping[Place, int]) -> Mapping[str, Mapping[Place, int]]:
    topics: dict[str, dict[Place, int]] = {}
    for place, offset in offsets.items():
        topics.setdefault(place.topic, {})[place] = offset
    return topics


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
