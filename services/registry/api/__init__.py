"""HTTP edge: `/v1` for programs (API key), the portal for people (session)."""

from fastapi import APIRouter

from services.registry.api import appointments, operations, units
from services.registry.api.keys import Keys
from services.registry.service import Service
from shared.clock import Clock


def routes(service: Service, clock: Clock) -> APIRouter:
    """Every `/v1` route; each asks for an API key with a permission."""
    keys = Keys(service.gate)
    router = APIRouter(prefix="/v1")
    router.include_router(appointments.routes(service, keys, clock))
    router.include_router(units.routes(service, keys, clock))
    router.include_router(operations.routes(service, keys, clock))
    return router
