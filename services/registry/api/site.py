"""The portal as one part: pages, static files, live stream."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from services.registry.api import live, portal
from services.registry.api.imports import Desk
from services.registry.api.live import Hub
from services.registry.api.portal.edge import Edge
from services.registry.api.portal.imports import ImportPages
from services.registry.api.portal.imports import routes as import_routes
from services.registry.api.portal.rendering import STATIC, Renderer
from services.registry.api.portal.topics import Drawing
from services.registry.domain.preset import Preset
from services.registry.domain.steps import Took, untold
from services.registry.service import Service
from services.registry.store.portal import PortalReads
from shared.assets import Assets
from shared.clock import Clock
from shared.i18n import Catalogues
from shared.lifecycle import Wakeup
from shared.telemetry import UNTRACED, Tracing


@dataclass(frozen=True)
class Site:
    """What the composition root mounts, and runs."""

    router: APIRouter
    hub: Hub


@dataclass(frozen=True)
class Parts:
    """What the portal is built of."""

    service: Service
    reads: PortalReads
    presets: Sequence[Preset]
    catalogues: Catalogues
    clock: Clock
    desk: Desk
    """The one of the whole process: it bounds what is imported at once."""
    wakeup: Wakeup
    """Woken by commits of this process; nobody else may wait on it."""
    https: bool
    """Whether people reach the portal by https."""
    took: Took = untold
    tracing: Tracing = UNTRACED


def build_site(parts: Parts) -> Site:
    """The portal."""
    service, reads, clock = parts.service, parts.reads, parts.clock
    assets = Assets(STATIC)
    assets.join("look.css", "boothline.css", "portal.css")
    assets.join("live.js", "vendor/htmx.min.js", "vendor/hx-sse.min.js", "portal.js")
    renderer = Renderer(parts.catalogues, assets, clock)
    edge = Edge(renderer, service.gate, clock, https=parts.https)
    imports = ImportPages(service.importing, parts.presets, parts.catalogues)
    drawing = Drawing(reads, renderer, imports, clock)
    hub = Hub(reads, drawing, clock, wakeup=parts.wakeup, took=parts.took, tracing=parts.tracing)
    router = APIRouter()
    router.include_router(assets.routes())
    router.include_router(portal.routes(edge, reads, service))
    router.include_router(import_routes(edge, reads, parts.desk, imports))
    router.include_router(live.routes(edge, reads, hub))
    return Site(router, hub)
