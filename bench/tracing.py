"""CPU of tracing for each record that the runner handles: off, carried unrecorded, recorded, encoded.

python -m bench.tracing
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from shared.events.codec import traceparent
from shared.settings import TraceSettings
from shared.telemetry import UNTRACED, Delivered, Tracing, carry, current_trace, open_tracing
from shared.telemetry.export import BATCH
from shared.telemetry.provider import provider_of, recording
from tests.collector import Collector

TIMES = 50_000
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
UNRECORDED = f"00-{'a' * 32}-{'b' * 16}-00"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ID = UUID(int=7)


def cost(work: Callable[[], None], times: int = TIMES, clock: Callable[[], float] = time.process_time) -> float:
    """CPU in microseconds for each call, the best of three."""

    def once() -> float:
        began = clock()
        for _ in range(times):
            work()
        return (clock() - began) / times * 1e6

    return min(once() for _ in range(3))


def handled(tracing: Tracing, trace: str) -> Callable[[], None]:
    """What the runner does around a handler."""
    headers = (("ce_id", b"x"), ("ce_type", b"y"), ("ce_source", b"z"), ("traceparent", trace.encode()))

    def work() -> None:
        cause = traceparent(headers)
        step = carry(cause)
        if tracing.on:
            step = tracing.processing(Delivered("otp.challenges", 3, 41, "registry", ID, NOW), cause)
        with step:
            pass

    return work


def _encoded(spans: Sequence[ReadableSpan]) -> None:
    encode_spans(spans).SerializeToString()


async def main() -> None:
    """Print the table."""
    found = {"off: the context is read and carried": cost(handled(UNTRACED, TRACE))}
    token = current_trace.set(None)
    with Collector() as collector:
        settings = TraceSettings.model_validate({"otlp_endpoint": collector.url})
        async with open_tracing(settings, "bench", CollectorRegistry(), lambda: NOW) as tracing:
            found["on, parent not recorded"] = cost(handled(tracing, UNRECORDED))
            found["on, recorded, of the event loop's thread"] = cost(handled(tracing, TRACE), clock=time.thread_time)
    memory = InMemorySpanExporter()
    made = provider_of(SimpleSpanProcessor(memory), "bench")
    for _ in range(BATCH):
        handled(recording(made, 1.0, lambda: NOW, lambda: 0.5), TRACE)()
    spans = memory.get_finished_spans()
    found["and encoding it, of the exporter's thread"] = cost(lambda: _encoded(spans), 50) / BATCH
    current_trace.reset(token)
    for name, micros in found.items():
        print(f"{micros:8.2f} us  {name}")


if __name__ == "__main__":
    asyncio.run(main())
