"""HTTP edge: `/v1` for programs (API key), the portal for people (session)."""

from fastapi import APIRouter

from services.registry.api import appointments, imports, operations, units
from services.registry.api.keys import Keys
from services.registry.service import Service
from shared.clock import Clock
from shared.i18n import Catalogues

UPLOAD_LIMIT = 200 * 1024 * 1024
"""Bytes: a state of 780,180 appointments is about 120 MB."""
BODY_LIMITS = {"/v1/imports/": UPLOAD_LIMIT, "/imports": UPLOAD_LIMIT}


def routes(service: Service, clock: Clock, desk: imports.Desk, catalogues: Catalogues) -> APIRouter:
    """Every `/v1` route; each asks for an API key with a permission. `desk`: the one of the whole process."""
    keys = Keys(service.gate)
    router = APIRouter(prefix="/v1")
    router.include_router(appointments.routes(service, keys, clock))
    router.include_router(units.routes(service, keys, clock))
    router.include_router(imports.routes(service, keys, desk, catalogues))
    router.include_router(operations.routes(service, keys, clock))
    return router
