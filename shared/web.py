"""The HTTP edge that every service shares: application factory, problem details, headers, limits, health, metrics."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import orjson
import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Failure, TooLarge
from shared.lifecycle import Tasks
from shared.telemetry import METRICS_TYPE, UNTRACED, Step, Tracing, carry, render

log = structlog.get_logger(__name__)

BODY_LIMIT = 1_048_576
"""Bytes of a request body that a service reads without being told otherwise: forms and JSON are far below."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""portal.md P29: no inline style or script anywhere."""

UNTRACED_PATHS = frozenset({"/health", "/ready", "/metrics"})
"""Asked by machines every few seconds: their spans would tell nothing."""

SECURITY_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # no-referrer would turn the Origin of a form POST into null (P10 of findings)
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}


class Crashed(Failure):
    """Something went wrong here. It was noted; please try again later."""

    code = "crashed"
    alarm = True


class PortTaken(Failure):
    """Nothing can listen on port {port}: somebody else does, or the address is not of this machine."""

    code = "port_taken"
    alarm = True


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
    web.add_exception_handler(Failure, _failure)
    web.add_exception_handler(RequestValidationError, _invalid)
    web.add_exception_handler(HTTPException, _http_exception)
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


class Edge:
    """Headers, the body limit, and the trace of every request. Raw ASGI: streams pass through untouched."""

    def __init__(self, app: ASGIApp, body_limits: Mapping[str, int], tracing: Tracing) -> None:
        self._app = app
        self._limits = body_limits
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        with self._step(scope, headers) as step:
            await self._serve(scope, headers, receive, send, step)

    def _step(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Step:
        """A browser or a provider from outside decides nothing about our traces: only who holds a key goes on."""
        if scope["path"] in UNTRACED_PATHS:
            return carry(None)
        received = headers.get(b"traceparent", b"").decode("latin-1")
        return self._tracing.serving(scope["method"], received or None, trusted=b"authorization" in headers)

    async def _serve(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send, step: Step
    ) -> None:
        limit = next((size for prefix, size in self._limits.items() if scope["path"].startswith(prefix)), BODY_LIMIT)
        limited = _Limited(receive, limit)
        sender = _Sender(send, scope, step, limited)
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await problem(TooLarge(limit_bytes=limit))(scope, receive, sender)
            return
        try:
            await self._app(scope, limited, sender)
        except _AnsweredHere:
            await problem(TooLarge(limit_bytes=limit))(scope, receive, _Sender(send, scope, step))
        except Exception as error:
            log.exception("request crashed", exc_info=error)
            step.failed(type(error).__name__)
            if sender.started:
                raise
            await problem(Crashed())(scope, receive, sender)


class _AnsweredHere(Exception):
    """The body was too large: the edge says so, whatever the application made of it."""


class _Limited:
    """Passes the body on, up to the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._read = 0

    @property
    def exceeded(self) -> bool:
        """More came than is allowed."""
        return self._read > self._limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self.exceeded:
            raise TooLarge(limit_bytes=self._limit)
        return message


class _Sender:
    """Adds the security headers that a response does not set itself, and knows whether it has started."""

    def __init__(self, send: Send, scope: Scope, step: Step, body: _Limited | None = None) -> None:
        self._send = send
        self._scope = scope
        self._step = step
        self._body = body
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._body is not None and self._body.exceeded:  # FastAPI calls a form that it cannot read malformed
                raise _AnsweredHere
            self.started = True
            present = {name.lower() for name, _ in message.get("headers", ())}
            extra = [(k.encode(), v.encode()) for k, v in SECURITY_HEADERS.items() if k.encode() not in present]
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
            self._step.answered(_template(self._scope), message["status"])
            if any(k.lower() == b"content-type" and v.startswith(b"text/event-stream") for k, v in message["headers"]):
                self._step.end()  # answered when it begins: a page stays open for minutes
        await self._send(message)


def _template(scope: Scope) -> str | None:
    """The route as it is written in the code; None where nothing matched. FastAPI keeps the prefixes of included
    routers apart from the route, in a place that only a test promises."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    path = getattr(included or scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON."""
    return Response(orjson.dumps(body), status, dict(headers or {}), "application/json")


def problem(failure: Failure, **extra: object) -> Response:
    """RFC 9457 problem details of `failure`: code, what happened, which field."""
    body: dict[str, object] = {
        "type": f"urn:boothline:problem:{failure.code}",
        "title": HTTPStatus(failure.status).phrase,
        "status": failure.status,
        "detail": failure.message,
        "code": failure.code,
        **{name: value for name, value in failure.details.items() if name not in {"type", "title", "status", "detail"}},
        **extra,
    }
    if failure.field:
        body["field"] = failure.field
    headers = {"cache-control": "no-store"}
    if failure.retry_after is not None:
        headers["retry-after"] = str(max(1, round(failure.retry_after)))
    return Response(orjson.dumps(body, default=str), failure.status, headers, "application/problem+json")


async def _failure(_: Request, error: Exception) -> Response:
    if not isinstance(error, Failure):
        raise error
    if error.status >= 500:
        log.warning("request failed", error_code=error.code)
    return problem(error)


async def _invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [
        {
            "field": ".".join(str(step) for step in item["loc"] if step != "body"),
            "code": item["type"],
            "detail": item["msg"],
        }
        for item in error.errors()
    ]
    body = {
        "type": "urn:boothline:problem:invalid",
        "title": HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        "status": 422,
        "detail": "Some fields are missing or not valid.",
        "code": "invalid",
        "errors": fields,
    }
    return Response(orjson.dumps(body), 422, {"cache-control": "no-store"}, "application/problem+json")


async def _http_exception(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    code = status.name.lower()
    body = {"type": f"urn:boothline:problem:{code}", "title": status.phrase, "status": status.value, "code": code}
    return Response(orjson.dumps(body), status.value, dict(error.headers or {}), "application/problem+json")


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int, tasks: Tasks, *, grace: int = 5) -> AsyncIterator[int]:
    """Serve `app` until the block is left; yields the port (of the system's choice for 0). There is no access log:
    paths hold handles. `grace`: seconds that open requests get."""
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
        timeout_keep_alive=30,
    )
    server = _Server(config)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(port=port) from error
    task = tasks.spawn(server.serve(sockets=[listener]), name="http")
    try:
        async with asyncio.timeout(grace + 10):
            await server.up.wait()
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait({task}, timeout=grace + 2)
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the lifecycle hears signals and stops in reverse order."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell `serving` that requests are answered from now on."""
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the lifecycle."""
        yield
