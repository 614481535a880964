"""The portal as one part: pages, static files, live stream."""

from dataclasses import dataclass

from fastapi import APIRouter

from services.registry.api import live, portal
from services.registry.api.live import Hub
from services.registry.api.portal.edge import Edge
from services.registry.api.portal.rendering import LOCALE, STATIC, Renderer
from services.registry.api.portal.topics import Drawing
from services.registry.service import Service
from services.registry.store.portal import PortalReads
from shared.assets import Assets
from shared.clock import Clock
from shared.i18n import load
from shared.lifecycle import Wakeup


@dataclass(frozen=True)
class Site:
    """What the composition root mounts, and runs."""

    router: APIRouter
    hub: Hub


def build_site(service: Service, reads: PortalReads, clock: Clock, wakeup: Wakeup) -> Site:
    """The portal. `wakeup` is to be woken by commits of this process; nobody else waits on it. Raises BadCatalogue."""
    assets = Assets(STATIC)
    assets.join("look.css", "boothline.css", "portal.css")
    assets.join("live.js", "vendor/htmx.min.js", "vendor/hx-sse.min.js", "portal.js")
    renderer = Renderer(load(LOCALE), assets, clock)
    edge = Edge(renderer, service.gate, clock)
    hub = Hub(reads, Drawing(reads, renderer, clock), clock, wakeup=wakeup)
    router = APIRouter()
    router.include_router(assets.routes())
    router.include_router(portal.routes(edge, reads, service))
    router.include_router(live.routes(edge, reads, hub))
    return Site(router, hub)
