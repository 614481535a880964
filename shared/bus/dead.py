"""Dead letters: a record that could not be handled, its bytes untouched, and why."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.bus.wire import Outgoing, Place, Received
from shared.errors import Failure
from shared.events.codec import Headers

SUFFIX = ".dead"
_PREFIX = "x-dead-"
_EMPTY = "x-dead-empty"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of a `.dead` topic, read back. Key, value and headers are those of the original record."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    """When the original record was written."""
    group: str
    reason: str
    """Code of the failure, else the exception's class name."""
    error: str
    """Class name only: the text of an exception may hold a phone."""
    attempts: int
    """Calls of the handler by the process that gave it up; 0 for what could not be read."""
    seconds: float
    """From the first of them to the end of the last."""
    at: datetime
    """When it was given up."""
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(
        cls, record: Received, error: Exception, *, group: str, attempts: int, at: datetime, seconds: float = 0.0
    ) -> "DeadLetter":
        """`record` was given up because of `error`."""
        reason = error.code if isinstance(error, Failure) else type(error).__name__
        return cls(
            *record.place, record.offset, record.timestamp, group, reason, type(error).__name__, attempts,
            round(seconds, 3), at, record.key, record.value, record.headers,
        )  # fmt: skip

    @classmethod
    def read(cls, record: Received) -> "DeadLetter | None":
        """The dead letter in a record of a `.dead` topic; None for a record that somebody else put there."""
        ours: dict[str, str] = {}
        for name, value in record.headers:
            if name.startswith(_PREFIX) and value is not None:
                with contextlib.suppress(UnicodeDecodeError):
                    ours[name.removeprefix(_PREFIX)] = value.decode()
        try:
            return cls._parse(record, ours)
        except (KeyError, ValueError):
            return None

    @classmethod
    def _parse(cls, record: Received, ours: Mapping[str, str]) -> "DeadLetter":
        return cls(
            topic=ours["topic"],
            partition=int(ours["partition"]),
            offset=int(ours["offset"]),
            timestamp=datetime.fromisoformat(ours["timestamp"]),
            group=ours["group"],
            reason=ours["reason"],
            error=ours["error"],
            attempts=int(ours["attempts"]),
            seconds=float(ours.get("seconds", "0")),
            at=datetime.fromisoformat(ours["at"]),
            key=record.key,
            value=None if "empty" in ours else record.value,
            headers=tuple(header for header in record.headers if not header[0].startswith(_PREFIX)),
        )

    @property
    def place(self) -> Place:
        """Where the original record lies."""
        return Place(self.topic, self.partition)

    def outgoing(self) -> Outgoing:
        """The record to write. Kafka takes no record without key and value, so that case is marked."""
        ours = {
            "reason": self.reason,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp": self.timestamp.astimezone(UTC).isoformat(),
            "group": self.group,
            "attempts": self.attempts,
            "seconds": self.seconds,
            "at": self.at.astimezone(UTC).isoformat(),
            "error": self.error,
        }
        headers = tuple((f"{_PREFIX}{name}", str(value).encode()) for name, value in ours.items())
        value = self.value
        if value is None and self.key is None:
            value, headers = b"", (*headers, (_EMPTY, b"1"))
        return Outgoing(self.topic + SUFFIX, self.key, value, (*self.headers, *headers))
