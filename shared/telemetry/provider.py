"""OpenTelemetry's provider, told everything here: it reads nothing from the environment, and is nobody's global one,
so that no framework finds it and records what it likes (paths with handles, queries with codes)."""

import secrets
from collections.abc import Callable, Mapping

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from prometheus_client import CollectorRegistry

from shared.clock import Clock
from shared.telemetry.export import REQUEST_SECONDS, Export, SpanMetrics, quiet
from shared.telemetry.metrics import VERSION
from shared.telemetry.recording import Recording
from shared.telemetry.steps import MAX_LINKS


def make(endpoint: str, headers: Mapping[str, str], service: str, registry: CollectorRegistry) -> TracerProvider:
    """A provider that sends to `<endpoint>/v1/traces`."""
    quiet()
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces",
        headers=headers,
        timeout=REQUEST_SECONDS,
        compression=Compression.Gzip,
        meter_provider=NoOpMeterProvider(),
    )
    return provider_of(Export(exporter, SpanMetrics(registry)), service)


def provider_of(processor: SpanProcessor, service: str) -> TracerProvider:
    """A provider that hands its spans to `processor`; which spans are made is decided before (`context.origin`)."""
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource(
            {
                "service.namespace": "boothline",
                "service.name": service,
                "service.version": VERSION,
                "service.instance.id": secrets.token_hex(8),
            }
        ),
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_attributes=16,
            max_events=0,
            max_links=MAX_LINKS,
            max_span_attributes=16,
            max_event_attributes=0,
            max_link_attributes=0,
            max_attribute_length=128,
            max_span_attribute_length=128,
        ),
        meter_provider=NoOpMeterProvider(),
    )
    provider.add_span_processor(processor)
    return provider


def recording(
    provider: TracerProvider,
    sample: float,
    clock: Clock,
    draw: Callable[[], float],
    fans_out: frozenset[str] = frozenset(),
) -> Recording:
    """Spans by `provider`."""
    return Recording(provider.get_tracer("boothline"), sample, clock, draw, fans_out)
