"""Pages that show the phones; everything works by plain forms, a script only keeps it current."""

from fastapi import APIRouter

from services.sandbox.api.pages import calls, deep_link, faults, live, panels, phones, rooms
from services.sandbox.api.pages.view import View
from services.sandbox.service.sandbox import Sandbox
from shared.assets import Assets


def routes(sandbox: Sandbox, assets: Assets) -> APIRouter:
    """All pages."""
    router = APIRouter(include_in_schema=False)
    view = View(sandbox, assets)
    for part in (panels, phones, rooms, calls, faults, deep_link):
        router.include_router(part.routes(sandbox, view))
    router.include_router(live.routes(sandbox))
    return router
