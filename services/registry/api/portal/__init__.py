"""The portal: pages for those who record appointments and watch committees fill up."""

from fastapi import APIRouter

from services.registry.api.portal import appointments, notice, places, record, sign_in
from services.registry.api.portal.edge import Edge
from services.registry.service import Service
from services.registry.store.portal import PortalReads


def routes(edge: Edge, reads: PortalReads, service: Service) -> APIRouter:
    """All pages. Static files and the live stream are routers of their own."""
    router = APIRouter()
    for part in (
        sign_in.routes(edge),
        notice.routes(edge),
        record.routes(edge, reads, service.recording),
        appointments.routes(edge, reads, service.changing),
        places.routes(edge, reads),
    ):
        router.include_router(part)
    return router
