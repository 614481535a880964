"""The call log as a page."""

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from services.sandbox.api.pages.view import View
from services.sandbox.domain.journal import Line
from services.sandbox.service.sandbox import Sandbox

LISTED = 50


def routes(sandbox: Sandbox, view: View) -> APIRouter:
    """/calls."""
    router = APIRouter(route_class=view.route_class())

    @router.get("/calls")
    async def calls(request: Request, line: str = "", method: str = "") -> Response:
        journal = sandbox.world.journal
        known = line if line in set(Line) else ""
        found = journal.find(line=known, method=method.strip(), limit=LISTED)
        shown = [(call, pretty(call.response)) for call in found]
        values = {"calls": shown, "total": journal.total, "line": known, "method": method, "lines": list(Line)}
        return view.page(request, "calls.html", values)

    return router


def pretty(response: Any, limit: int = 4_000) -> str:
    """A response as indented JSON, cut when it is long."""
    return json.dumps(response, ensure_ascii=False, indent=1)[:limit]
