"""The control API: what tests and simulated workers do with phones, and what they may look at."""

from fastapi import APIRouter

from services.sandbox.api.control import people, rooms, rules, watch
from services.sandbox.service.sandbox import Sandbox


def routes(sandbox: Sandbox) -> APIRouter:
    """Everything under /control."""
    router = APIRouter(prefix="/control")
    for part in (people, rooms, rules, watch):
        router.include_router(part.routes(sandbox))
    return router
