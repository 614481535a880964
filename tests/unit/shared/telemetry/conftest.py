"""Tracing whose spans end in memory, with a clock and a die that the test holds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.events import BULK
from shared.telemetry import current_trace
from shared.telemetry.provider import provider_of, recording
from shared.telemetry.recording import Recording

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Recorder:
    """What was recorded."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.now, self.drawn = NOW, 0.5
        self.provider = provider_of(SimpleSpanProcessor(self.exporter), "test")
        self.tracing: Recording = recording(
            self.provider, 0.01, lambda: self.now, lambda: self.drawn, frozenset({BULK.name})
        )

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Ended ones, the first to end first."""
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, [span.name for span in self.spans]
        return found[0]

    def later(self, seconds: float) -> None:
        """Turn the clock."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def _no_trace_is_left() -> Iterator[None]:
    token = current_trace.set(None)
    yield
    current_trace.reset(token)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Tracing in memory."""
    made = Recorder()
    yield made
    made.provider.shutdown()
