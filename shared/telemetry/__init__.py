"""Metrics of a process, its spans, and the trace context that goes from a request through outboxes and topics."""

from shared.telemetry.context import continue_trace, current_trace, trace_ids
from shared.telemetry.metrics import METRICS_TYPE, new_registry, render
from shared.telemetry.opening import open_tracing
from shared.telemetry.tracing import (
    UNTRACED,
    Call,
    Delivered,
    Step,
    Tracing,
    carry,
    detach,
    fan_out,
    is_recorded,
    link_to,
)

__all__ = [
    "METRICS_TYPE",
    "UNTRACED",
    "Call",
    "Delivered",
    "Step",
    "Tracing",
    "carry",
    "continue_trace",
    "current_trace",
    "detach",
    "fan_out",
    "is_recorded",
    "link_to",
    "new_registry",
    "open_tracing",
    "render",
    "trace_ids",
]
