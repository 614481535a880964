"""Composition root: builds everything from the settings, starts it, stops it in reverse."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import structlog

from services.otp.api import Pages, confirm_routes, operator_routes
from services.otp.api.confirm import Confirm
from services.otp.api.pages import FOLDER
from services.otp.consumer import GROUP, REPLIES_GROUP, reply_subscriptions, subscriptions
from services.otp.domain.codes import Codes
from services.otp.relay import Composer, Relay, RelayMetrics
from services.otp.service import Otp
from services.otp.settings import OtpSettings
from services.otp.store import Outbox, Scripts, ValkeyChallenges, open_valkey
from shared import ids, log, process
from shared.assets import Assets
from shared.bus import BusMetrics, Connection, Consumer, Producer, cluster_id, probe_all
from shared.clock import Clock, utc_now
from shared.errors import Unavailable
from shared.lifecycle import Lifecycle, Tasks
from shared.seal import Sealer
from shared.settings import load
from shared.telemetry import new_registry, open_tracing
from shared.web import Probe, create_web, serving

LANES = 64
"""Events heard at once: they share round trips, so that more of them cost less each."""
BROKER_SECONDS = 15.0
"""Between looks at which broker it is."""

logger = structlog.get_logger(__name__)


async def run(settings: OtpSettings, clock: Clock) -> None:
    """Run until a signal comes. Raises what killed a part."""
    async with Lifecycle() as life:
        registry = new_registry("otp")
        tracing = await life.enter(open_tracing(settings, "otp", registry, clock))
        policy = settings.policy()
        valkey = await life.enter(open_valkey(settings.valkey_url.get_secret_value()))
        scripts = Scripts(valkey, policy)
        challenges = ValkeyChallenges(valkey, scripts)
        sealer = Sealer("otp", settings.own_seal_keys(), settings.seal_peers)
        codes = Codes(settings.keys())
        otp = Otp(challenges, codes, sealer, policy)

        connection = Connection.of(settings, "otp")
        producer = await life.enter(Producer(connection, tracing=tracing))
        metrics = RelayMetrics(registry)
        for number in range(settings.relays):
            outbox = Outbox(valkey, scripts, f"{secrets.token_hex(6)}-{number}")
            relay = Relay(outbox, Composer(codes, sealer, settings.public_url), producer, metrics, clock)
            await life.enter(relay.running(life.tasks, f"relay {number}"))
        await life.enter(_running(life.tasks, _sweep_forever(otp, clock, settings.sweep_seconds), "sweep"))
        await life.enter(_running(life.tasks, _watch_broker(otp, connection, clock), "watch the broker"))
        member = partial(
            Consumer,
            connection,
            lanes=LANES,
            clock=clock,
            tasks=life.tasks,
            metrics=BusMetrics(registry),
            tracing=tracing,
        )
        consumers = [
            await life.enter(member(GROUP, subscriptions(otp, clock))),
            await life.enter(member(REPLIES_GROUP, reply_subscriptions(otp, clock))),
        ]

        probes: dict[str, Probe] = {
            "valkey": challenges.ping,
            "outbox": producer.probe,
            "bus": partial(probe_all, consumers),
        }
        web = create_web("otp", registry, probes, tracing=tracing)
        assets = Assets(FOLDER / "static")
        pages = Pages(assets.url, https=settings.public_url.startswith("https:"))
        base = str(settings.telegram_link_base).rstrip("/") if settings.telegram_link_base else None
        web.include_router(confirm_routes(Confirm(otp, pages, clock, ids.new_id, base)))
        web.include_router(assets.routes())
        if settings.operator_key:
            web.include_router(operator_routes(otp, clock, settings.operator_key.get_secret_value()))
        port = await life.enter(serving(web, settings.host, settings.port, life.tasks))
        logger.info("otp runs", port=port)
        await life.until_stopped()


@asynccontextmanager
async def _running(tasks: Tasks, work: Coroutine[object, object, None], name: str) -> AsyncIterator[None]:
    """Runs `work` until the block is left, so that it stops before what it uses."""
    task = tasks.spawn(work, name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5)


async def _watch_broker(otp: Otp, connection: Connection, clock: Clock) -> None:
    """A broker with another id than last time knows nothing of what was said: it is told again (decision 22)."""
    while True:
        try:
            stated = await otp.meet_broker(await cluster_id(connection), clock())
            if stated:
                logger.warning("broker replaced", stated=stated)
        except Unavailable as error:
            logger.warning("broker not asked", error_code=error.code, reason=error.message)
        await asyncio.sleep(BROKER_SECONDS)


async def _sweep_forever(otp: Otp, clock: Clock, seconds: float) -> None:
    while True:
        now: datetime = clock()
        try:
            while await otp.sweep(now):
                now = clock()
        except Unavailable as error:
            logger.warning("sweep waits", error_code=error.code)
        await asyncio.sleep(seconds)


def main() -> None:
    """Read the settings and run."""
    settings = load(OtpSettings)
    log.configure("otp", settings.log_level)
    process.run(run(settings, utc_now))
