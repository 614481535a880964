"""Builds the sandbox from its settings and runs it until it is told to stop."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.types import ASGIApp

from services.sandbox.api import control, gateway, pages, telegram, twilio
from services.sandbox.api.wire import Cable, Loopback
from services.sandbox.channels import HttpPost, session
from services.sandbox.service.messages import AccountLine
from services.sandbox.service.sandbox import Sandbox
from services.sandbox.settings import Settings
from shared import log, process
from shared.assets import Assets
from shared.clock import Clock, utc_now
from shared.lifecycle import Lifecycle, Tasks
from shared.settings import load
from shared.telemetry import new_registry
from shared.web import create_web, serving

STATIC = Path(__file__).with_name("static")


def account_of(settings: Settings) -> AccountLine:
    """The carrier's one account."""
    return AccountLine(
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token.get_secret_value(),
        inbound_url=settings.inbound_url,
        senders=settings.senders(),
        retry_first=settings.retry_first,
    )


def web(sandbox: Sandbox, settings: Settings) -> ASGIApp:
    """All edges in one application."""
    app = create_web("Boothline sandbox", new_registry("sandbox"), {}, docs=True)
    token = settings.telegram_token.get_secret_value() if settings.telegram_token else None
    app.include_router(telegram.routes(sandbox, token))
    app.include_router(twilio.routes(sandbox, account_of(settings)))
    app.include_router(gateway.routes(sandbox))
    app.include_router(control.routes(sandbox))
    assets = Assets(STATIC)
    app.include_router(assets.routes())
    app.include_router(pages.routes(sandbox, assets))
    return Cable(Loopback(app))


@asynccontextmanager
async def running(settings: Settings, tasks: Tasks, clock: Clock = utc_now) -> AsyncIterator[tuple[Sandbox, int]]:
    """A sandbox that answers until the block is left; yields it and its port."""
    async with session() as http:
        sandbox = Sandbox(
            account_of(settings),
            username=settings.bot_username,
            clock=clock,
            nonce=lambda: secrets.token_hex(8),
            post=HttpPost(http),
        )
        tasks.spawn(sandbox.deliveries.run(), name="deliveries")
        tasks.spawn(sandbox.bot_api.push(), name="webhook")
        async with serving(web(sandbox, settings), settings.host, settings.port, tasks) as port:
            try:
                yield sandbox, port
            finally:
                sandbox.changes.stop()


async def run(settings: Settings) -> None:
    """Serve until a signal comes."""
    async with Lifecycle() as life:
        await life.enter(running(settings, life.tasks))
        await life.until_stopped()


def main() -> None:
    """Entry point of `python -m services.sandbox`."""
    settings = load(Settings)
    log.configure("sandbox", settings.log_level)
    process.run(run(settings))
