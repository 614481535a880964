"""Events to records and back: JSON value, CloudEvents 1.0 attributes (binary mode) and traceparent as headers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from pydantic import ValidationError

from shared.errors import Failure
from shared.events.catalogue import EVENTS, topic_of
from shared.events.envelope import Event

Headers = tuple[tuple[str, bytes | None], ...]

TYPE_HEADER = "ce_type"
TRACE_HEADER = "traceparent"
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Record:
    """What goes to a topic: bytes and nothing else."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


class UnknownType(Failure):
    """An event of a type that this version does not know: {event_type}."""

    # Counted and skipped: in a rolling upgrade the newer producer is right and the older consumer has no use for it.
    code = "unknown_type"


class UnknownVersion(Failure):
    """An event of a known type in an unknown major version: {event_type}."""

    code = "unknown_version"
    alarm = True


class Undecodable(Failure):
    """A record that is not an event: {part} ({problem})."""

    # `problem` holds the kind of error and the path, never the value: it may be a phone.
    code = "undecodable"
    alarm = True


def encode(event: Event, traceparent: str | None = None) -> Record:
    """The record that states `event`."""
    headers: list[tuple[str, bytes | None]] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event.event_id).encode()),
        (TYPE_HEADER, event.type.encode()),
        ("ce_source", b"/boothline/" + topic_of(event).name.encode()),
        ("ce_time", event.at.astimezone(UTC).isoformat().encode()),
        ("ce_subject", str(event.subject).encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent:
        headers.append((TRACE_HEADER, traceparent.encode()))
    return Record(topic_of(event).name, event.key.encode(), event.model_dump_json().encode(), tuple(headers))


def decode(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Event:
    """The event in a record. Raises UnknownType (skip it), UnknownVersion or Undecodable (dead letter)."""
    event = EVENTS.get(name := event_type(headers))
    if event is None:
        if any(known.rpartition(".v")[0] == name.rpartition(".v")[0] for known in EVENTS):
            raise UnknownVersion(event_type=name)
        raise UnknownType(event_type=name)
    if value is None:
        raise Undecodable(part="value", problem="missing")
    try:
        return event.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join(str(step) for step in first["loc"])
        raise Undecodable(part="value", problem=f"{path}: {first['type']}" if path else first["type"]) from None


def event_type(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """The event type that the headers name. Raises Undecodable."""
    raw = _header(headers, TYPE_HEADER)
    if raw is None:
        raise Undecodable(part="headers", problem="no event type")
    try:
        name = raw.decode("ascii")
    except UnicodeDecodeError:
        raise Undecodable(part="headers", problem="event type is not ASCII") from None
    if not re.fullmatch(r"[a-z_.]{3,80}\.v\d{1,3}", name):
        raise Undecodable(part="headers", problem="event type is malformed")
    return name


def traceparent(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The W3C trace context of a record; garbage is no context (a new root), never an error."""
    raw = _header(headers, TRACE_HEADER)
    return raw.decode() if raw and _TRACEPARENT.fullmatch(raw) else None


def _header(headers: Iterable[tuple[str, bytes | None]], name: str) -> bytes | None:
    return next((value for key, value in headers if key == name), None)
