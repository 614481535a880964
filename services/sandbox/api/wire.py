"""The wire itself: outcomes become responses, and a connection can be reset under a caller."""

import socket
import struct
from asyncio import Transport
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.sandbox.domain.methods.bot import loopback
from services.sandbox.service.outcome import Outcome
from shared.errors import Forbidden
from shared.web import json_response, problem

TRANSPORT = "boothline.transport"


class Cable:
    """Outermost application: keeps each request's transport at hand, so that it can be cut (uvicorn only)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await self._app(scope, receive, send)


class Loopback:
    """Lets in only what this machine itself asks for: a loopback Host, and no form that another site sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
            foreign = headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in {"GET", "HEAD"}
            if foreign or not loopback(host):
                await problem(Forbidden())(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Cut(Response):
    """No response: the connection is reset (RST) and the caller cannot know what became of its call."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        transport: Transport | None = scope.get(TRANSPORT)
        if transport is None:
            raise RuntimeError("a connection can be cut under uvicorn only: wrap the application in Cable")
        raw: Any = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def answer(outcome: Outcome) -> Response:
    """The response for an outcome; a reset has none."""
    if outcome.status == 0:
        return Cut()
    headers = {"Retry-After": str(outcome.retry_after)} if outcome.retry_after else {}
    return json_response(outcome.body, outcome.status, headers)
