"""Spans to the collector: a bounded queue, one thread, and nobody who waits for it."""

import contextlib
import contextvars
import logging
import queue
import threading
from collections.abc import Sequence

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, Counter

log = structlog.get_logger(__name__)

QUEUE = 4096
"""Spans that wait: 2 MB; at 300 a second, half of the ten seconds for which a request is tried."""
BATCH = 512
EVERY = 1.0
"""Seconds that a span waits for others."""
REQUEST_SECONDS = 5.0
"""With its retries."""
FLUSH_SECONDS = 3.0
"""At the end of the process; what is not gone then is dropped."""


class SpanMetrics:
    """boothline_spans_total: what became of the spans of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register it."""
        spans = Counter("boothline_spans_total", "Spans by what became of them", ["outcome"], registry=registry)
        self.exported = spans.labels("exported")
        self.failed = spans.labels("failed")
        self.dropped = spans.labels("dropped")


class Export(SpanProcessor):
    """Takes spans without waiting; drops and counts what does not fit. The thread is a daemon: a collector that never
    answers does not keep the process."""

    def __init__(
        self,
        exporter: SpanExporter,
        metrics: SpanMetrics,
        *,
        limit: int = QUEUE,
        batch: int = BATCH,
        every: float = EVERY,
    ) -> None:
        """The thread runs from now on."""
        self._exporter = exporter
        self._metrics = metrics
        self._limit = limit
        self._batch = batch
        self._every = every
        self._waiting: queue.SimpleQueue[ReadableSpan | None] = queue.SimpleQueue()
        self._failing = False
        self._closed = threading.Event()
        context = contextvars.copy_context()  # log lines name the service
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="spans", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue it, or drop it."""
        if self._closed.is_set() or self._waiting.qsize() >= self._limit:
            self._metrics.dropped.inc()
        else:
            self._waiting.put(span)

    def shutdown(self) -> None:
        """Send what waits, for FLUSH_SECONDS at most; twice does no harm."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._waiting.put(None)
        self._thread.join(FLUSH_SECONDS)
        self._exporter.shutdown()
        left = 0
        with contextlib.suppress(queue.Empty):
            while True:
                left += self._waiting.get_nowait() is not None
        if left:
            self._metrics.dropped.inc(left)
            log.warning("spans dropped at the end", count=left)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 # the library's signature
        """Not offered: nobody waits for the collector."""
        return False

    def _run(self) -> None:
        while (batch := self._next()) or not self._closed.is_set():
            if batch:
                self._send(batch)

    def _next(self) -> list[ReadableSpan]:
        """At most a batch; waits for the first span, and not long for the others."""
        batch: list[ReadableSpan] = []
        while len(batch) < self._batch:
            try:
                span = self._waiting.get(timeout=0 if self._closed.is_set() else self._every)
            except queue.Empty:
                break
            if span is not None:
                batch.append(span)
        return batch

    def _send(self, batch: Sequence[ReadableSpan]) -> None:
        try:
            taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 # whatever an exporter does, the process lives
            taken = False
        (self._metrics.exported if taken else self._metrics.failed).inc(len(batch))
        if taken == self._failing:
            self._failing = not taken
            log.warning("the collector takes spans" if taken else "the collector takes no spans")


def quiet() -> None:
    """The library says at length, and with every batch, what we say once."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
