"""The way out is bounded: what does not fit is dropped and counted, and a collector that is away holds up nobody."""

import threading
from collections.abc import Iterator, Sequence

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from shared.telemetry import export
from shared.telemetry.export import Export, SpanMetrics
from shared.telemetry.provider import provider_of


class Collector(SpanExporter):
    """Counts what it takes; can refuse, break, or hold a batch until it is let go."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.answers: list[SpanExportResult | Exception] = []
        self.asked, self.go_on, self.holds = threading.Event(), threading.Event(), False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        if self.holds:
            assert self.go_on.wait(60)
        answer = self.answers.pop(0) if self.answers else SpanExportResult.SUCCESS
        if isinstance(answer, Exception):
            raise answer
        self.batches.append(len(spans))
        return answer

    def shutdown(self) -> None:
        self.go_on.set()


class Way:
    """A provider that exports to a collector of ours."""

    def __init__(self) -> None:
        self.collector, self.registry = Collector(), CollectorRegistry()

    def open(self, limit: int = 100, batch: int = 10) -> None:
        self.export = Export(self.collector, SpanMetrics(self.registry), limit=limit, batch=batch, every=0.01)
        self.provider = provider_of(self.export, "test")
        self.tracer = self.provider.get_tracer("test")

    def end_spans(self, count: int) -> None:
        for _ in range(count):
            self.tracer.start_span("work").end()

    def counted(self) -> dict[str, float | None]:
        outcomes = ("exported", "failed", "dropped")
        return {name: self.registry.get_sample_value("boothline_spans_total", {"outcome": name}) for name in outcomes}


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    monkeypatch.setattr(export, "log", structlog.get_logger())  # the module's may have been cached by a test before
    monkeypatch.setattr(export, "FLUSH_SECONDS", 60.0)  # what is dropped is not dropped because the machine paused
    made = Way()
    yield made
    made.collector.go_on.set()
    made.provider.shutdown()


def test_all_that_has_ended_is_exported_in_batches_before_the_process_ends(way: Way) -> None:
    way.open()
    assert way.counted() == {"exported": 0, "failed": 0, "dropped": 0}
    way.end_spans(35)
    way.provider.shutdown()
    assert sum(way.collector.batches) == 35
    assert max(way.collector.batches) <= 10
    assert way.counted() == {"exported": 35, "failed": 0, "dropped": 0}


def test_a_collector_that_holds_fills_the_queue_and_no_more(way: Way) -> None:
    way.collector.holds = True
    way.open(limit=50)
    way.end_spans(1)
    assert way.collector.asked.wait(60)
    way.end_spans(500)  # returns, while the collector holds the first batch
    assert way.counted()["dropped"] == 450
    way.collector.go_on.set()
    way.provider.shutdown()
    assert way.counted() == {"exported": 51, "failed": 0, "dropped": 450}


def test_a_collector_that_refuses_or_breaks_is_counted_and_said_once(
    way: Way, capsys: pytest.CaptureFixture[str]
) -> None:
    way.collector.answers = [SpanExportResult.FAILURE, RuntimeError("phone +915550000210"), SpanExportResult.FAILURE]
    way.open(batch=1)
    way.end_spans(5)
    way.provider.shutdown()
    assert way.counted() == {"exported": 2, "failed": 3, "dropped": 0}
    said = capsys.readouterr().out
    assert (said.count("takes no spans"), said.count("takes spans")) == (1, 1)
    assert "0000210" not in said


def test_the_end_does_not_wait_for_a_collector_that_never_answers(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "FLUSH_SECONDS", 0.05)
    way.collector.holds = True
    monkeypatch.setattr(way.collector, "shutdown", lambda: None)
    way.open(batch=1)
    way.end_spans(3)
    assert way.collector.asked.wait(60)
    way.provider.shutdown()  # returns although the first batch is still held
    assert way.counted()["dropped"] == 2
    way.end_spans(1)
    assert way.counted()["dropped"] == 3
