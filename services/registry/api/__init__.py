"""HTTP edge: `/v1` for programs (API key), the portal for people (session)."""

from fastapi import APIRouter

from services.registry.api import appointments, imports, operations, units
from services.registry.api.keys import Keys
from services.registry.service import Service
from shared.clock import Clock
from shared.i18n import Catalogues
from shared.lifecycle import Tasks

UPLOAD_LIMIT = 200 * 1024 * 1024
"""Bytes: a state of 780,180 appointments is about 120 MB."""
BODY_LIMITS = {"/v1/imports/": UPLOAD_LIMIT, "/imports": UPLOAD_LIMIT}


def routes(service: Service, clock: Clock, tasks: Tasks, catalogues: Catalogues) -> APIRouter:
    """Every `/v1` route; each asks for an API key with a permission. Imports go on in `tasks`."""
    keys = Keys(service.gate)
    router = APIRouter(prefix="/v1")
    router.include_router(appointments.routes(service, keys, clock))
    router.include_router(units.routes(service, keys, clock))
    router.include_router(imports.routes(service, keys, imports.Desk(service.importing, tasks), catalogues))
    router.include_router(operations.routes(service, keys, clock))
    return router
