"""Metrics of a process, and the trace context that is carried from a request through outbox and topics."""

import re
import secrets
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

METRICS_TYPE = CONTENT_TYPE_LATEST

current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""W3C traceparent of what is being done now: set by the web and bus edges, stored beside every outbox row."""

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def new_registry() -> CollectorRegistry:
    """A registry for one process; `_created` series are left out, they double the counters' lines."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it unannotated
    return CollectorRegistry()


def render(registry: CollectorRegistry) -> bytes:
    """The metrics in Prometheus' text format."""
    return generate_latest(registry)


def continue_trace(received: str | None) -> str:
    """The traceparent of our own step in the received trace; garbage or nothing starts a new trace."""
    if received and _TRACEPARENT.fullmatch(received):
        version, trace, _, flags = received.split("-")
        return f"{version}-{trace}-{secrets.token_hex(8)}-{flags}"
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
