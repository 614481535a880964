"""Spans that are recorded, with OpenTelemetry's SDK. Imported only where a collector is named: it costs its start."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from shared.clock import Clock
from shared.errors import Failure
from shared.events import BULK, Record
from shared.events.codec import TRACE_HEADER, traceparent
from shared.telemetry.context import FRESH, current_trace, is_sampled, new_trace, origin, trace_ids, valid
from shared.telemetry.tracing import Call, Carried, Delivered, Step, Tracing, current_step

Attributes = Mapping[str, str | int]

MAX_LINKS = 128
"""The specification's default, and what backends are made for."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class Recording(Tracing):
    """Makes spans. `sample`: share of bulk traces that is recorded; `draw`: a random number in 0..1."""

    tracer: Tracer
    sample: float
    clock: Clock
    draw: Callable[[], float]
    on = True

    def serving(self, method: str, received: str | None, *, trusted: bool) -> Step:
        """A root, or the child of a trusted caller's span. Named anew when the route is known."""
        method = method if method in _METHODS else "_OTHER"
        known = valid(received)
        return self._step(_name_of(method), SpanKind.SERVER, known, {"http.request.method": method}, own=not trusted)

    def processing(self, record: Delivered, cause: str | None) -> Step:
        """`process <topic>`."""
        age, bulk = self.clock() - record.written_at, record.topic == BULK.name
        if cause and age <= FRESH and not is_sampled(cause):
            return Unrecorded(cause)  # most records of an import: the one path that must cost nothing
        attributes = _messaging("process", record.topic, str(record.message_id)) | {
            "messaging.destination.partition.id": str(record.partition),
            "messaging.consumer.group.name": record.group,
            "messaging.kafka.offset": record.offset,
        }
        return self._step(f"process {record.topic}", SpanKind.CONSUMER, cause, attributes, age=age, bulk=bulk)

    @contextmanager
    def sending(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """`send <topic>` for each record that is recorded. An announcement is its own trace: many follow from one
        confirmation."""
        now = self.clock()
        steps = [self._send(record, now) for record in records]
        try:
            yield [_with_trace(record, step.trace) for record, step in zip(records, steps, strict=True)]
        except BaseException as error:
            for step in steps:
                step.failed(error_type(error))
            raise
        finally:
            for step in steps:
                step.end()

    def _send(self, record: Record, now: datetime) -> "Recorded | Unrecorded":
        headers = {name: value for name, value in record.headers if value is not None}
        attributes = _messaging("send", record.topic, headers.get("ce_id", b"").decode("ascii", "replace"))
        bulk, cause = record.topic == BULK.name, traceparent(record.headers)
        name, age = f"send {record.topic}", now - _stated_at(headers, now)
        rare = bulk or cause is None  # without a cause: swept, imported, or from before it was known
        return self._step(name, SpanKind.PRODUCER, cause, attributes, age=age, own=bulk, bulk=rare)

    def calling(self, call: Call, cause: str | None) -> Step:
        """`deliver <channel>`."""
        attributes: Attributes = {
            "boothline.provider": call.provider,
            "boothline.channel": call.channel,
            "boothline.lane": call.lane,
            "boothline.message.id": str(call.message_id),
        }
        age, bulk = self.clock() - call.asked_at, call.lane == "bulk"
        return self._step(f"deliver {call.channel}", SpanKind.CLIENT, valid(cause), attributes, age=age, bulk=bulk)

    def working(self, name: str, causes: Sequence[str | None], since: datetime) -> Step:
        """`name`: the child of its only cause, or linked to all."""
        known = list(dict.fromkeys(cause for cause in causes if cause and valid(cause)))
        if len(known) <= 1:
            return self._step(name, SpanKind.INTERNAL, known[0] if known else None, {}, age=self.clock() - since)
        recorded = [cause for cause in known if is_sampled(cause)]
        if not recorded:
            return Unrecorded(new_trace(recorded=False))
        step = self._step(name, SpanKind.INTERNAL, None, {})
        for cause in recorded:
            step.link(cause)
        return step

    def branch(self, name: str, cause: str) -> "Recorded | Unrecorded":
        """One of many that `cause` leads to."""
        return self._step(name, SpanKind.INTERNAL, cause, {}, own=True, bulk=True)

    def _step(
        self,
        name: str,
        kind: SpanKind,
        cause: str | None,
        attributes: Attributes,
        *,
        age: timedelta = _NOW,
        own: bool = False,
        bulk: bool = False,
    ) -> "Recorded | Unrecorded":
        """A step that is not entered yet."""
        hangs = origin(cause, age=age, own=own, bulk=bulk, sample=self.sample, draw=self.draw())
        if not hangs.recorded:
            return Unrecorded(hangs.parent or new_trace(recorded=False))
        span = self.tracer.start_span(
            name,
            set_span_in_context(NonRecordingSpan(_context(hangs.parent))) if hangs.parent else _ROOT,
            kind,
            dict(attributes),
            [Link(_context(hangs.link))] if hangs.link else None,
        )
        return Recorded(span, self, hangs.link)


class Recorded:
    """A step with its span."""

    def __init__(self, span: Span, tracing: Recording, link: str | None) -> None:
        """`span` has begun, with a link to `link`."""
        self._span = span
        self._links = {link} if link else set()
        self._tracing = tracing
        self._tokens: tuple[Token[str | None], Token[Step | None]] | None = None
        self.trace = _text(span.get_span_context())

    def __enter__(self) -> Self:
        self._tokens = current_trace.set(self.trace), current_step.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(error_type(error))
        self.end()
        if self._tokens is not None:
            current_trace.reset(self._tokens[0])
            current_step.reset(self._tokens[1])

    def link(self, cause: str | None) -> None:
        """Once to each; none beyond MAX_LINKS."""
        if cause is not None and valid(cause) and cause not in self._links and len(self._links) < MAX_LINKS:
            self._links.add(cause)
            if self._span.is_recording():
                self._span.add_link(_context(cause))

    def answered(self, route: str | None, status: int) -> None:
        """Only a 5xx is our failure; a 4xx is an answer."""
        if not self._span.is_recording():
            return
        method = getattr(self._span, "attributes", {}).get("http.request.method", "_OTHER")
        self._span.set_attribute("http.response.status_code", status)
        if route is not None:
            self._span.update_name(f"{_name_of(str(method))} {route}")
            self._span.set_attribute("http.route", route)
        if status >= 500:
            self.failed(str(status))

    def failed(self, error_type: str) -> None:
        """Marks the span as failed, without a text."""
        if self._span.is_recording():
            self._span.set_attribute("error.type", error_type)
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """Hands the span to the exporter, once."""
        if self._span.is_recording():
            self._span.end()

    def fan_out(self, name: str) -> str:
        """A span of no length where it is recorded."""
        step = self._tracing.branch(name, self.trace)
        step.end()
        return step.trace


class Unrecorded(Carried):
    """A step without a span: its context says so to everybody after it."""

    def __init__(self, trace: str) -> None:
        """Nothing has begun."""
        self.trace = trace
        self._tokens: tuple[Token[str | None], Token[Step | None]] | None = None

    def __enter__(self) -> Self:
        self._tokens = current_trace.set(self.trace), current_step.set(None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tokens is not None:
            current_trace.reset(self._tokens[0])
            current_step.reset(self._tokens[1])


def error_type(error: BaseException) -> str:
    """What an error is called: its code, or its class. Its text may hold a phone."""
    return error.code if isinstance(error, Failure) else type(error).__name__


def _name_of(method: str) -> str:
    return "HTTP" if method == "_OTHER" else method


def _messaging(verb: str, topic: str, message_id: str) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": verb,
        "messaging.operation.type": verb,
        "messaging.destination.name": topic,
        "messaging.message.id": message_id,
    }


def _stated_at(headers: Mapping[str, bytes], now: datetime) -> datetime:
    try:
        stated = datetime.fromisoformat(headers["ce_time"].decode("ascii"))
    except (KeyError, ValueError):
        return now
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)


def _with_trace(record: Record, trace: str) -> Record:
    others = tuple(header for header in record.headers if header[0] != TRACE_HEADER)
    return replace(record, headers=(*others, (TRACE_HEADER, trace.encode())))


def _context(trace: str) -> SpanContext:
    """Of a valid traceparent."""
    trace_id, span_id = trace_ids(trace)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(trace[-2:], 16)))


def _text(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


_ROOT = set_span_in_context(NonRecordingSpan(SpanContext(0, 0, is_remote=False)))
"""No parent, whatever a library has made current."""
