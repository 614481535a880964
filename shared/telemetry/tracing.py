"""Spans as the edges of a process make them: nothing but the trace context is carried on where no collector is named.

The names and attributes of all spans are decided here, so that none can hold a path, a key, a body or a person."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from shared.events import Record
from shared.telemetry.context import continue_trace, current_trace, valid

current_step: ContextVar["Step | None"] = ContextVar("current_step", default=None)
"""The recorded step that is being done now."""


class Step(Protocol):
    """A step while it is done. Everything may be called after its end, and then does nothing."""

    def __enter__(self) -> Self:
        """Begins; `current_trace` is the step's own."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends; an exception is named by its class or code, never by its text."""

    def link(self, cause: str | None) -> None:
        """This step goes back to something in another trace, too."""

    def answered(self, route: str | None, status: int) -> None:
        """An HTTP response has begun; `route` is the template, None for a path that nobody serves."""

    def failed(self, error_type: str) -> None:
        """It did not succeed, and why: a word of a closed set."""

    def end(self) -> None:
        """End before the block does: a stream is answered when it begins."""

    def fan_out(self, name: str) -> str:
        """The traceparent of one of many that follow: its own trace, linked to this one."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A record that is handled."""

    topic: str
    partition: int
    offset: int
    group: str
    message_id: UUID
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a provider."""

    channel: str
    provider: str
    lane: str
    message_id: UUID
    asked_at: datetime


class Carried:
    """A step that nobody records."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was begun."""

    def link(self, cause: str | None) -> None:
        """Nothing holds it."""

    def answered(self, route: str | None, status: int) -> None:
        """Nothing holds it."""

    def failed(self, error_type: str) -> None:
        """Nothing holds it."""

    def end(self) -> None:
        """Nothing was begun."""

    def fan_out(self, name: str) -> str:
        """Never asked: it is never the current step."""
        return continue_trace(None)


CARRIED = Carried()


class Tracing:
    """Spans of a process. This one makes none: it costs what carrying a text costs."""

    on = False
    """Guard what is only needed for a span with it."""

    def serving(self, method: str, received: str | None, *, trusted: bool) -> Step:
        """An HTTP request. `received`: traceparent as it came; of a caller who is not `trusted` it decides nothing."""
        return carry(received if trusted else None)

    def processing(self, record: Delivered, cause: str | None) -> Step:
        """Handling of one record. `cause`: valid traceparent of the record."""
        return carry(cause)

    def sending(self, records: Sequence[Record]) -> AbstractContextManager[Sequence[Record]]:
        """Publishing; the block gets the records with the contexts of their own spans. The parent of each is the
        context that it was stored with, not ours."""
        return nullcontext(records)

    def calling(self, call: Call, cause: str | None) -> Step:
        """A call of a provider. `cause`: traceparent that the message was stored with."""
        return CARRIED

    def working(self, name: str, causes: Sequence[str | None], since: datetime) -> Step:
        """Other work, for one cause (its child) or for several (linked to all); `name` is of a closed set."""
        return carry(causes[0] if len(causes) == 1 else None)


UNTRACED = Tracing()


def carry(cause: str | None) -> Step:
    """A step that is not recorded; what it states carries `cause` on, or a new context."""
    current_trace.set(continue_trace(cause))
    return CARRIED


def is_recorded() -> bool:
    """Whether the current step is recorded, and so a link worth finding out."""
    return current_step.get() is not None


def link_to(cause: str | None) -> None:
    """The current step goes back to `cause` (traceparent), too."""
    step = current_step.get()
    if step is not None and valid(cause):
        step.link(cause)


def detach() -> None:
    """What this task does from now on serves many: it belongs to nobody's trace."""
    current_trace.set(None)
    current_step.set(None)


def fan_out(name: str) -> str | None:
    """The traceparent for one of the many that the current step leads to: a trace of its own, of which few are
    recorded. As long as nothing is, the current one."""
    step = current_step.get()
    return step.fan_out(name) if step is not None else current_trace.get()
