"""What operators see: rows about topics, groups, dead letters and records, made from bytes and offsets."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

from shared.bus import Lag, Place
from shared.errors import Failure, NotFound
from shared.events import BULK, Event, Topic

Field: TypeAlias = str | int | float | bool | None
"""A value that may be shown."""

HIDDEN = "•••"
_SECOND = timedelta(seconds=1)
_SEALED = re.compile(r"^s1\.([a-z]+)/[\w-]+\.([a-z]+)/[\w-]+\.")
_NEVER_SHOWN = frozenset({"fingerprints", "chat_id"})


class Row(BaseModel):
    """A row of a table, a line of JSON."""

    model_config = ConfigDict(frozen=True)


class TopicRow(Row):
    """A topic: how many records were ever written, how fast it grows now, and what it lost to its dead letters."""

    topic: str
    partitions: int
    records: int
    per_second: float | None
    dead: int


class LagRow(Row):
    """How far a group is behind on a topic: records, and the age in seconds of the first one it has not handled."""

    group: str
    topic: str
    records: int
    seconds: float


class DeadRow(Row):
    """Dead letters of one topic, group and reason."""

    topic: str
    group: str
    reason: str
    count: int
    oldest: datetime
    newest: datetime
    latest: str
    """Place of the newest one: `<dead topic>/<partition>/<offset>`."""


class RecordRow(Row):
    """A record as far as it may be shown: sealed fields as sealed, fingerprints and chats not at all."""

    at: datetime
    topic: str
    partition: int
    offset: int
    key: str
    event: str
    fields: dict[str, Field]


class DeadDetail(Row):
    """One dead letter: why, whose, and the record as far as it may be shown."""

    place: str
    reason: str
    error: str
    group: str
    attempts: int
    failed_at: datetime
    origin: str
    event: str
    key: str
    size: int
    fields: dict[str, Field]
    advice: str


class NoSuchRecord(NotFound):
    """There is no record at {place}: it may have been removed by retention."""

    code = "no_such_record"


class NoSuchName(NotFound):
    """There is no {kind} of this name; the known ones: {known}."""

    code = "no_such_name"


class NoOperator(Failure):
    """Send the operators' token as a bearer token, or sign in at /sign-in."""

    code = "no_operator"
    status = 401


ADVICE = {
    "unknown_version": "A producer is newer than this consumer: finish the rolling upgrade, then replay.",
    "undecodable": "A foreign or broken producer wrote this: find it by the origin and the time.",
    "seal": "A key is missing or the field was moved: compare the key ids of both services.",
}
"""Reason -> what to do."""

DEFAULT_ADVICE = "Look for the reason in the log of the group at that time; the record is kept 30 days."


@dataclass(frozen=True, slots=True)
class Sample:
    """End offsets of all partitions at a moment."""

    at: datetime
    ends: Mapping[Place, int]

    def total(self, topic: str) -> int:
        """Records ever written to the topic."""
        return sum(end for place, end in self.ends.items() if place.topic == topic)

    def partitions(self, topic: str) -> int:
        """Partitions of the topic."""
        return sum(place.topic == topic for place in self.ends)


def topic_rows(now: Sample, before: Sample | None) -> tuple[TopicRow, ...]:
    """One row per topic that is not a dead letter topic, with the growth since `before`."""
    names = sorted({place.topic for place in now.ends if not place.topic.endswith(".dead")})
    return tuple(
        TopicRow(
            topic=name,
            partitions=now.partitions(name),
            records=now.total(name),
            per_second=_rate(name, now, before),
            dead=now.total(f"{name}.dead"),
        )
        for name in names
    )


def _rate(topic: str, now: Sample, before: Sample | None) -> float | None:
    if before is None or (seconds := (now.at - before.at).total_seconds()) <= 0:
        return None
    return round(max(0, now.total(topic) - before.total(topic)) / seconds, 2)


def lag_rows(partitions: Sequence[Lag], now: datetime) -> tuple[LagRow, ...]:
    """One row per group and topic: records of all partitions, age of the oldest (operator.md L1)."""
    edges: dict[tuple[str, str], list[Lag]] = {}
    for lag in partitions:
        edges.setdefault((lag.group, lag.place.topic), []).append(lag)
    return tuple(
        LagRow(
            group=group,
            topic=topic,
            records=sum(lag.records for lag in lags),
            seconds=round(max(lag.seconds(now) for lag in lags), 1),
        )
        for (group, topic), lags in edges.items()
    )


def lag_limit(topic: Topic) -> float | None:
    """Seconds that a record may wait before somebody is told: 10 where a person waits, a minute for state, no limit
    for announcements, whose queue is meant to be long (operator.md A5)."""
    if topic == BULK:
        return None
    return 10.0 if topic.urgent else 60.0


def shown(event: Event) -> dict[str, Field]:
    """The fields of an event, flat (`unit.code`), as far as an operator may see them."""
    flat: dict[str, Field] = {}
    _flatten("", event.model_dump(mode="json"), flat)
    return flat


def _flatten(path: str, value: object, into: dict[str, Field]) -> None:
    name = path.rpartition(".")[2]
    if name in _NEVER_SHOWN:
        into[path] = HIDDEN
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{path}.{key}" if path else str(key), inner, into)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _flatten(f"{path}.{index}", inner, into)
    elif isinstance(value, str) and (sealed := _SEALED.match(value)):
        into[path] = f"sealed, {sealed[1]} → {sealed[2]}"
    elif isinstance(value, str | int | float | bool) and name != "phone_last3":
        into[path] = value
    elif value is not None:
        into[path] = HIDDEN


def matches(row: RecordRow, appointment: str | None) -> bool:
    """Whether a tail of one appointment shows this row: by key, subject or field. Sees only what is shown."""
    return appointment is None or appointment in (row.key, *map(str, row.fields.values()))


def grouped(letters: Iterable[DeadDetail]) -> tuple[DeadRow, ...]:
    """Dead letters by topic, group and reason, the most first."""
    groups: dict[tuple[str, str, str], list[DeadDetail]] = {}
    for letter in letters:
        groups.setdefault((letter.origin.partition("/")[0], letter.group, letter.reason), []).append(letter)
    rows = [_dead_row(key, found) for key, found in groups.items()]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.topic, row.reason)))


def _dead_row(key: tuple[str, str, str], letters: Sequence[DeadDetail]) -> DeadRow:
    topic, group, reason = key
    newest = max(letters, key=lambda letter: letter.failed_at)
    oldest = min(letter.failed_at for letter in letters)
    return DeadRow(
        topic=topic,
        group=group,
        reason=reason,
        count=len(letters),
        oldest=oldest,
        newest=newest.failed_at,
        latest=newest.place,
    )


def duration(seconds: float) -> str:
    """`40 s`, `30 min`, `5 h`, `3 days`: as exact as a person needs it."""
    for unit, size, below in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < below:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


class Pace:
    """How much of a stream a person can read: `per_second` rows, the rest is counted."""

    def __init__(self, per_second: int, now: datetime) -> None:
        self._per_second = per_second
        self._window = now
        self._rows = 0

    def admit(self, now: datetime) -> tuple[bool, int]:
        """Whether this row is shown, and how many were left out in the second that ended before it."""
        left_out = 0
        if now - self._window >= _SECOND:
            left_out = max(0, self._rows - self._per_second)
            self._window, self._rows = now, 0
        self._rows += 1
        return self._rows <= self._per_second, left_out
