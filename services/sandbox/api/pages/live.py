"""Live pages: the names of what changed, by server-sent events."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from sse_starlette import EventSourceResponse

from services.sandbox.service.sandbox import Sandbox
from shared.errors import Unavailable

STREAMS = 200
"""Open streams at most; the next one is told to come back."""


def routes(sandbox: Sandbox) -> APIRouter:
    """/live."""
    router = APIRouter()

    @router.get("/live")
    async def live() -> Response:
        if sandbox.changes.watchers >= STREAMS:
            raise Unavailable(retry_after=30)
        return EventSourceResponse(names(sandbox), ping=15, send_timeout=10)

    return router


async def names(sandbox: Sandbox) -> AsyncIterator[dict[str, str]]:
    """One event per batch of changes: the keys, one a blank apart."""
    with sandbox.changes.subscribed() as subscription:
        yield {"event": "hello", "data": "connected"}
        while not sandbox.changes.stopping:
            keys = await subscription.take(30.0)
            if keys:
                yield {"event": "changed", "data": " ".join(sorted(keys))}
