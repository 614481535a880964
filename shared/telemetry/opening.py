"""Tracing as the settings want it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from shared.clock import Clock
from shared.settings import TraceSettings
from shared.telemetry.tracing import UNTRACED, Tracing


@asynccontextmanager
async def open_tracing(
    settings: TraceSettings,
    service: str,
    registry: CollectorRegistry,
    clock: Clock,
    fans_out: frozenset[str] = frozenset(),
) -> AsyncIterator[Tracing]:
    """Spans of `service` go to the collector of the settings; without one nothing is made, and OpenTelemetry is not
    even imported. Open it first: what is opened later stops before the last spans are sent. Leaving waits for the
    collector a few seconds at most. `fans_out`: topics where each message that it sends is a trace of its own."""
    if settings.otlp_endpoint is None:
        yield UNTRACED
        return
    from shared.telemetry import provider  # noqa: PLC0415 # the SDK costs 0.3 s and 15 MB

    headers = {name: value.get_secret_value() for name, value in settings.otlp_headers.items()}
    made = provider.make(str(settings.otlp_endpoint), headers, service, registry)
    try:
        yield provider.recording(made, settings.trace_sample, clock, secrets.SystemRandom().random, fans_out)
    finally:
        await asyncio.to_thread(made.shutdown)
