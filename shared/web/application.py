"""The application that every service begins with: health, readiness, metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry
from starlette.middleware.gzip import GZipMiddleware

from shared.errors import Failure
from shared.telemetry import METRICS_TYPE, UNTRACED, Tracing, render
from shared.web.edge import Edge
from shared.web.problems import answer_problems, json_response

Probe = Callable[[], Awaitable[str | None]]
"""Raises a Failure when something that the service needs does not answer. May say what an operator should know although
the service is ready."""


def create_web(
    title: str,
    registry: CollectorRegistry,
    probes: Mapping[str, Probe],
    *,
    body_limits: Mapping[str, int] | None = None,
    docs: bool = False,
    tracing: Tracing = UNTRACED,
) -> FastAPI:
    """A FastAPI application with health, readiness, metrics, problem details, security headers and a body limit.

    `probes` name what `/ready` asks. `body_limits` maps path prefixes to more bytes (imports). FastAPI's own
    telemetry is off: its spans hold paths, and ours hold handles. `tracing` makes ours: named by the route.
    """
    web = FastAPI(
        title=title,
        docs_url="/docs" if docs else None,
        redoc_url=None,
        openapi_url="/openapi.json" if docs else None,
        telemetry={
            "tracing": False,
            "logs": False,
            "metrics": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    answer_problems(web)
    web.add_middleware(GZipMiddleware, minimum_size=1_000)
    web.add_middleware(Edge, body_limits=dict(body_limits or {}), tracing=tracing)

    @web.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @web.get("/ready", include_in_schema=False)
    async def ready() -> Response:
        broken: dict[str, str] = {}
        notes: dict[str, str] = {}
        for name, probe in probes.items():
            said = await _ask(probe)
            (broken if said.broken else notes)[name] = said.text
        body: dict[str, object] = {"status": "not ready" if broken else "ready"}
        body |= {"broken": broken} if broken else {}
        body |= {"notes": told} if (told := {name: note for name, note in notes.items() if note}) else {}
        return json_response(body, status=503 if broken else 200)

    @web.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(render(registry), media_type=METRICS_TYPE)

    return web


@dataclass(frozen=True, slots=True)
class _Said:
    """What a probe found."""

    text: str
    broken: bool = True


async def _ask(probe: Probe) -> _Said:
    try:
        async with asyncio.timeout(5):
            return _Said(await probe() or "", broken=False)
    except Failure as failure:
        return _Said(f"{failure.code}: {failure.message}" if failure.details else failure.code)
    except (TimeoutError, OSError) as error:
        return _Said(type(error).__name__)
