"""Steps with a span, and steps whose context says that nobody records them."""

from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry.trace import Span, SpanContext, Status, StatusCode, TraceFlags

from shared.errors import Failure
from shared.telemetry.context import current_trace, trace_ids, valid
from shared.telemetry.tracing import Carried, Step, current_step

MAX_LINKS = 128
"""The specification's default, and what backends are made for."""
Branch = Callable[[str, str], "Recorded | Unrecorded"]
"""(name, cause) -> one of many steps that the cause leads to."""


class Recorded:
    """A step with its span."""

    def __init__(self, span: Span, branch: Branch, link: str | None) -> None:
        """`span` has begun, with a link to `link`."""
        self._span = span
        self._links = {link} if link else set()
        self._branch = branch
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
                self._span.add_link(context_of(cause))

    def answered(self, route: str | None, status: int) -> None:
        """Only a 5xx is our failure; a 4xx is an answer."""
        if not self._span.is_recording():
            return
        method = getattr(self._span, "attributes", {}).get("http.request.method", "_OTHER")
        self._span.set_attribute("http.response.status_code", status)
        if route is not None:
            self._span.update_name(f"{name_of(str(method))} {route}")
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
        step = self._branch(name, self.trace)
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


def name_of(method: str) -> str:
    return "HTTP" if method == "_OTHER" else method


def context_of(trace: str) -> SpanContext:
    """Of a valid traceparent."""
    trace_id, span_id = trace_ids(trace)
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(trace[-2:], 16)))


def _text(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
