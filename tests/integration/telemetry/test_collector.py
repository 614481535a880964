"""Spans on their way to a collector that is there, away, or silent."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from pydantic import HttpUrl, SecretStr

from shared.settings import TraceSettings
from shared.telemetry import Delivered, Tracing, export, open_tracing, provider
from shared.telemetry.export import BATCH, QUEUE
from tests.collector import Collector, ancestry

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def settings(url: str, **more: object) -> TraceSettings:
    return TraceSettings.model_validate({"otlp_endpoint": HttpUrl(url), **more})


def handle(tracing: Tracing, count: int) -> None:
    for offset in range(count):
        with tracing.processing(Delivered("otp.challenges", 0, offset, "registry", UUID(int=offset), NOW), None):
            pass


def counted(registry: CollectorRegistry, outcome: str) -> float:
    return registry.get_sample_value("boothline_spans_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "FLUSH_SECONDS", 0.5)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "FLUSH_SECONDS", 60.0)
    monkeypatch.setattr(provider, "REQUEST_SECONDS", 60.0)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_spans_arrive_with_their_service_parents_and_the_headers_that_the_collector_wants(
    collector: Collector, patient: None
) -> None:
    registry = CollectorRegistry()
    wanted = settings(collector.url, otlp_headers={"authorization": SecretStr("Bearer of spans")})
    async with open_tracing(wanted, "otp", registry, lambda: NOW) as tracing:
        with tracing.serving("POST", None, trusted=True) as step:
            handle(tracing, 1)
            step.answered("/v1/appointments", 201)
    assert counted(registry, "exported") == 2
    assert [span.service for span in collector.spans] == ["otp"] * 2
    handled = next(span for span in collector.spans if span.name == "process otp.challenges")
    assert ancestry(handled, collector.spans) == ["process otp.challenges"], "no cause, no parent: not what is current"
    assert {header["path"] for header in collector.headers} == {"/v1/traces"}
    assert {header["authorization"] for header in collector.headers} == {"Bearer of spans"}
    assert {header["content-encoding"] for header in collector.headers} == {"gzip"}


async def test_a_collector_that_is_away_slows_nobody_and_everything_is_accounted_for(
    unused_port: int, impatient: None
) -> None:
    registry, spans = CollectorRegistry(), 2 * QUEUE
    async with open_tracing(settings(f"http://127.0.0.1:{unused_port}"), "otp", registry, lambda: NOW) as tracing:
        handle(tracing, spans)
    assert counted(registry, "exported") == 0
    assert counted(registry, "dropped") + counted(registry, "failed") >= spans - BATCH, "but for a batch in hand"


async def test_a_collector_that_never_answers_does_not_keep_the_process(silent: str, impatient: None) -> None:
    registry = CollectorRegistry()
    async with asyncio.timeout(60), open_tracing(settings(silent), "otp", registry, lambda: NOW) as tracing:
        handle(tracing, 2 * QUEUE)
    assert counted(registry, "exported") == 0
    assert counted(registry, "dropped") + counted(registry, "failed") >= 2 * QUEUE - BATCH, "but for a batch in hand"


@pytest.fixture
def unused_port() -> Iterator[int]:
    """Nobody listens there, and nobody else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
