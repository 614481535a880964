"""W3C trace context as text: what is carried, what starts anew, and what is recorded."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta

current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""W3C traceparent of what is being done now: set by the edges, stored beside every outbox row, named in every log
line."""

FRESH = timedelta(minutes=10)
"""A cause as old as that was waited out, replayed or published again: its trace is over, ours begins and links to it.
Traces that stay open for longer break tail sampling and storage."""

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def continue_trace(received: str | None) -> str:
    """`received` as it is, as long as nobody records spans in between; garbage or nothing starts a new trace."""
    return valid(received) or new_trace(recorded=True)


def valid(received: str | None) -> str | None:
    """`received`, or None for garbage."""
    return received if received and _TRACEPARENT.fullmatch(received) else None


def new_trace(*, recorded: bool) -> str:
    """The traceparent of a new trace; `recorded` asks everybody after us to record it as well."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-0{recorded:d}"


def trace_ids(traceparent: str) -> tuple[str, str]:
    """Trace id and span id of a valid traceparent, in hex."""
    return traceparent[3:35], traceparent[36:52]


def is_sampled(traceparent: str) -> bool:
    """Whether who wrote it has recorded its span."""
    return bool(int(traceparent[-2:], 16) & 1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a span hangs."""

    parent: str | None
    link: str | None
    recorded: bool


def origin(cause: str | None, *, age: timedelta, own: bool, bulk: bool, sample: float, draw: float) -> Origin:
    """Where the span of a step hangs that `cause` (a valid traceparent) led to, `age` ago.

    A machine's hop is the child of its cause. What stands apart is its own trace and links to it: `own` (a person or a
    batch stands between), or a cause that is no longer fresh. A child is recorded as its parent was. Of `bulk` work, a
    share of `sample` is; `draw` is a random number in 0..1."""
    chosen = not bulk or draw < sample
    if cause is None:
        return Origin(None, None, chosen)
    if own or age > FRESH:
        return Origin(None, cause, chosen and is_sampled(cause))
    return Origin(cause, None, is_sampled(cause))
