"""What every request passes: security headers, the body limit, its trace."""

from collections.abc import Mapping

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import TooLarge
from shared.telemetry import Step, Tracing, carry
from shared.web.problems import Crashed, problem

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
