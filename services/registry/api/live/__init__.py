"""Live pages over SSE: `GET /live`. What changed is drawn by the partials of the page and replaces them by id."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse

from services.registry.api.live.hub import Hub
from services.registry.api.portal.edge import Edge, SignedOut, language_of
from services.registry.api.portal.topics import find_topic
from services.registry.domain.portal import Cursor
from services.registry.domain.principal import Permission
from services.registry.service.gate import digest
from services.registry.store.portal import PortalReads
from shared.errors import NotFound

SEND_WITHIN = 10.0
"""Seconds that a client may take to read one frame: portal.md P17."""


def routes(edge: Edge, reads: PortalReads, hub: Hub) -> APIRouter:
    """`GET /live?unit=..&after=..`, or `coverage=`, `appointment=`; `Last-Event-ID` beats `after`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/live")
    async def live(request: Request) -> Response:
        after = Cursor.parse(request.headers.get("last-event-id") or request.query_params.get("after", "0-0"))
        session = digest(request.cookies.get(edge.session_cookie(request), ""))
        principal = await reads.principal(session, edge.clock())  # an open page alone does not prolong the session
        if principal is None:
            raise SignedOut
        principal.require(Permission.READ)
        async with reads.snapshot() as snapshot:
            topic = await find_topic(snapshot, principal, _query(request.query_params))
        if topic is None:
            raise NotFound
        stream = await hub.open(topic, language_of(request), session, after)
        return EventSourceResponse(hub.frames(stream), ping=0, send_timeout=SEND_WITHIN)

    return router


def _query(query: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value[:200] for name, value in query.items()}


__all__ = ["Hub", "routes"]
