"""Spans that are recorded, with OpenTelemetry's SDK. Imported only where a collector is named: it costs its start."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Tracer, set_span_in_context

from shared.clock import Clock
from shared.events import BULK, Record
from shared.events.codec import TRACE_HEADER, traceparent
from shared.telemetry.context import FRESH, is_sampled, new_trace, origin, valid
from shared.telemetry.steps import Recorded, Unrecorded, context_of, error_type, name_of
from shared.telemetry.tracing import Call, Delivered, Step, Tracing

Attributes = Mapping[str, str | int]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class Recording(Tracing):
    """Makes spans. `sample`: share of bulk traces that is recorded; `draw`: a random number in 0..1; `fans_out`: topics
    where many messages of this service follow from one cause, so that each is a trace of its own."""

    tracer: Tracer
    sample: float
    clock: Clock
    draw: Callable[[], float]
    fans_out: frozenset[str] = frozenset()
    on = True

    def serving(self, method: str, received: str | None, *, trusted: bool) -> Step:
        """A root, or the child of a trusted caller's span. Named anew when the route is known."""
        method = method if method in _METHODS else "_OTHER"
        known = valid(received)
        return self._step(name_of(method), SpanKind.SERVER, known, {"http.request.method": method}, own=not trusted)

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
        """`send <topic>` for each record that is recorded."""
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
        return self._step(
            name, SpanKind.PRODUCER, cause, attributes, age=age, own=record.topic in self.fans_out, bulk=rare
        )

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
            set_span_in_context(NonRecordingSpan(context_of(hangs.parent))) if hangs.parent else _ROOT,
            kind,
            dict(attributes),
            [Link(context_of(hangs.link))] if hangs.link else None,
        )
        return Recorded(span, self.branch, hangs.link)


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


_ROOT = set_span_in_context(NonRecordingSpan(SpanContext(0, 0, is_remote=False)))
"""No parent, whatever a library has made current."""
