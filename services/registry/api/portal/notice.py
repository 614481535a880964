"""The privacy notice: what is kept, what for, and what the person can do about it."""

from fastapi import APIRouter, Request, Response

from services.registry.api.portal.edge import Edge

VERSION = "2026-11"
"""Of the text on the page; stored with every appointment. A changed text is a new version."""


def routes(edge: Edge) -> APIRouter:
    """Readable by everybody, without signing in."""
    router = APIRouter(route_class=edge.route_class(), include_in_schema=False)

    @router.get("/notice")
    async def notice(request: Request) -> Response:
        return edge.page(request, "notice.html", {"version": VERSION}, personal=False)

    return router
