"""Canaries are sent through with global providers set: no framework tells by itself what ours leaves out."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Form, Request, Response
from fastapi.responses import StreamingResponse
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from shared.telemetry import Tracing, new_registry
from shared.web import create_web
from tests.unit.shared.telemetry.conftest import Recorder

HANDLE, CODE, PHONE, NAME = "AbCdEfGhIjKlMnOpQrStUv", "482107", "+915550000210", "Anita Devi"
CANARIES = (HANDLE, CODE, PHONE, PHONE[1:], NAME)


class Everything:
    """What global providers got."""

    def __init__(self) -> None:
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call] # the library leaves it unannotated
        self.tracers, self.loggers = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def text(self) -> str:
        """All of it."""
        logs = [f"{each.log_record.body!r} {each.log_record.attributes}" for each in self.logs.get_finished_logs()]
        read = self.reader.get_metrics_data()
        return "\n".join([span.to_json() for span in self.spans.get_finished_spans()] + logs + [str(read or "")])


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Everything:
    """Global providers, for this test alone: the library sets them once a process."""
    made = Everything()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made.tracers)
    monkeypatch.setattr(_logs._internal, "_LOGGER_PROVIDER", made.loggers)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", made.meters)
    return made


class Body(BaseModel):
    phone: int


def serve(web: FastAPI) -> FastAPI:
    """Routes that break with personal data in their hands."""

    @web.get("/c/{handle}")
    async def page(handle: str, r: str = "") -> str:
        return "shown"

    @web.post("/c/{handle}")
    async def verify(handle: str, code: str = Form()) -> None:
        raise RuntimeError(f"{NAME} typed {code} at {PHONE}")

    @web.post("/v1/appointments")
    async def record(body: Body) -> None:
        """Refuses a phone that is no number."""

    @web.get("/live")
    async def live(request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            yield f"data: {NAME}\n\n".encode()

        return StreamingResponse(events(), media_type="text/event-stream")

    return web


async def act(web: FastAPI) -> None:
    """Requests as people and fools send them."""
    transport = httpx.ASGITransport(web, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get(f"/c/{HANDLE}?r={CODE}")
        await client.post(f"/c/{HANDLE}", data={"code": CODE})
        await client.post("/v1/appointments", json={"phone": PHONE, "name": NAME})
        await client.get(f"/nowhere/{PHONE}?name={NAME}", headers={"user-agent": NAME, "x-phone": PHONE})
        await client.request(PHONE, f"/c/{HANDLE}")
        await client.get("/live")
        await client.get("/health")
        await client.get("/metrics")


async def test_the_framework_alone_tells_all_of_them(everything: Everything) -> None:
    await act(serve(FastAPI()))
    assert {HANDLE, CODE, PHONE} <= {canary for canary in CANARIES if canary in everything.text()}


async def test_ours_tells_none_and_names_routes(everything: Everything, recorder: Recorder) -> None:
    await act(serve(create_web("test", new_registry(), {}, tracing=recorder.tracing)))
    assert everything.spans.get_finished_spans() == ()
    assert list(everything.logs.get_finished_logs()) == []
    said = everything.text() + "\n".join(span.to_json() for span in recorder.spans)
    assert [canary for canary in CANARIES if canary in said] == []
    assert sorted(span.name for span in recorder.spans) == [
        "GET",
        "GET /c/{handle}",
        "GET /live",
        "HTTP /c/{handle}",
        "POST /c/{handle}",
        "POST /v1/appointments",
    ]
    broken = recorder.named("POST /c/{handle}")
    assert broken.attributes is not None
    assert (broken.attributes["error.type"], broken.attributes["http.response.status_code"]) == ("500", 500)


async def test_a_route_is_named_with_the_prefixes_of_the_routers_that_include_it(recorder: Recorder) -> None:
    web, outer, inner = create_web("test", new_registry(), {}, tracing=recorder.tracing), APIRouter(), APIRouter()

    @inner.get("/{appointment_id}")
    async def one(appointment_id: str) -> None:
        """Found."""

    outer.include_router(inner, prefix="/appointments")
    web.include_router(outer, prefix="/v1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test") as client:
        await client.get(f"/v1/appointments/{PHONE}")
        await client.put(f"/v1/appointments/{PHONE}")
        await client.get(f"/v1/nowhere/{PHONE}")
    assert [span.name for span in recorder.spans] == [
        "GET /v1/appointments/{appointment_id}",
        "PUT /v1/appointments/{appointment_id}",
        "GET",
    ]


async def test_a_stream_is_answered_when_it_begins(recorder: Recorder) -> None:
    ended: list[int] = []
    web = create_web("test", new_registry(), {}, tracing=recorder.tracing)

    @web.get("/live")
    async def live() -> Response:
        async def events() -> AsyncIterator[bytes]:
            ended.append(len(recorder.spans))
            yield b": still here\n\n"

        return StreamingResponse(events(), media_type="text/event-stream; charset=utf-8")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test") as client:
        await client.get("/live")
    assert ended == [1]


async def test_without_a_collector_there_are_no_spans_at_all(everything: Everything) -> None:
    await act(serve(create_web("test", new_registry(), {}, tracing=Tracing())))
    assert everything.spans.get_finished_spans() == ()
    assert [canary for canary in CANARIES if canary in everything.text()] == []
