"""Builds the console from its settings and runs it until it is told to stop."""

from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.console.api import access, contract, pages, v1
from services.console.metrics import Gauges
from services.console.service import Watch
from services.console.settings import ConsoleSettings
from shared import log, process
from shared.assets import Assets
from shared.bus import Connection
from shared.clock import utc_now
from shared.lifecycle import Lifecycle
from shared.settings import load
from shared.telemetry import UNTRACED, Tracing, new_registry, open_tracing
from shared.web import create_web, serving

STATIC = Path(__file__).with_name("static")


def web(watch: Watch, settings: ConsoleSettings, metrics: CollectorRegistry, tracing: Tracing = UNTRACED) -> FastAPI:
    """The HTTP application."""

    app = create_web("Boothline console", metrics, {"kafka": watch.ready}, tracing=tracing)
    guard = [access.operators_only(settings.token)]
    assets = Assets(STATIC)
    page = pages.renderer(assets)
    app.include_router(v1.routes(watch), dependencies=guard)
    app.include_router(pages.routes(watch, page), dependencies=guard)
    app.include_router(contract.routes(page), dependencies=guard)
    app.include_router(access.routes(settings.token, page))
    app.include_router(assets.routes())
    return app


async def run(settings: ConsoleSettings) -> None:
    """Serve until a signal comes."""
    async with Lifecycle() as life:
        connection = Connection.of(settings, "console")
        watch = Watch(await life.enter(connection.reader()), utc_now)
        metrics = new_registry("console")
        tracing = await life.enter(open_tracing(settings, "console", metrics, utc_now))
        life.tasks.spawn(watch.run(settings.sample_seconds), name="sampler")
        life.tasks.spawn(watch.measure(Gauges(metrics), settings.lag_seconds), name="lag probe")
        await life.enter(serving(web(watch, settings, metrics, tracing), settings.host, settings.port, life.tasks))
        await life.until_stopped()


def main() -> None:
    """Entry point of `python -m services.console`."""
    settings = load(ConsoleSettings)
    log.configure("console", settings.log_level)
    process.run(run(settings))
