"""The registry's API and portal in a process of its own, without a broker: `python -m ...serve` with REGISTRY_* set."""

import asyncio
import sys

from fastapi import FastAPI

from services.registry.api import BODY_LIMITS, routes
from services.registry.api.imports import Desk
from services.registry.api.live import Hub
from services.registry.api.portal.rendering import LOCALE
from services.registry.api.site import Parts, build_site
from services.registry.app import build_service, load_presets
from services.registry.settings import Settings
from services.registry.store.database import Database, open_database
from services.registry.store.portal import PortalReads
from services.registry.store.queries import load_queries
from shared import log
from shared.clock import utc_now
from shared.i18n import load
from shared.lifecycle import Lifecycle, Tasks, Wakeup
from shared.telemetry import new_registry
from shared.web import create_web, serving


def build(settings: Settings, database: Database, tasks: Tasks) -> tuple[FastAPI, Hub]:
    """API and portal over `database`."""
    pages = Wakeup()
    service = build_service(settings, database, pages.wake)
    limits = dict.fromkeys(BODY_LIMITS, 10000000)
    web = create_web("registry", new_registry(), {"database": database.probe}, body_limits=limits)
    catalogues = load(LOCALE)
    desk = Desk(service.importing, tasks)
    web.include_router(routes(service, utc_now, desk, catalogues))
    presets = tuple(load_presets().values())
    site = build_site(
        Parts(
            service,
            PortalReads(database),
            presets,
            catalogues,
            utc_now,
            desk,
            pages,
            settings.public_url.startswith("https:"),
        )
    )
    web.include_router(site.router)
    return web, site.hub


async def serve(settings: Settings) -> None:
    """Until a signal; says the port on stdout."""
    async with Lifecycle() as life:
        database = await life.enter(
            open_database(settings.database_url.get_secret_value(), load_queries(), size=10, timeout=30)
        )
        web, hub = build(settings, database, life.tasks)
        port = await life.enter(serving(web, settings.host, settings.port, life.tasks, grace=2))
        await life.enter(hub.running(life.tasks))
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await life.until_stopped()


if __name__ == "__main__":
    log.configure("registry", "warning")
    asyncio.run(serve(Settings()))
