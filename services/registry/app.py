"""Composition root: builds everything from the settings, starts it, stops it in reverse."""

import argparse
import asyncio
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson
import structlog
import uvloop

from services.registry.api import BODY_LIMITS, routes
from services.registry.api.imports import Desk
from services.registry.api.portal.rendering import LOCALE
from services.registry.api.site import Parts, build_site
from services.registry.consumer import DELIVERIES_GROUP, GROUP, delivery_subscriptions, subscriptions
from services.registry.domain.phonebook import Phonebook
from services.registry.domain.preset import Preset
from services.registry.domain.rules import Rules
from services.registry.domain.statements import Statements
from services.registry.domain.steps import Took, untold
from services.registry.domain.vault import Vault
from services.registry.metrics import StepMetrics
from services.registry.service import Service
from services.registry.service.gate import ADMINISTRATOR, RECORDER
from services.registry.settings import Settings
from services.registry.store.database import Database, open_database
from services.registry.store.portal import PortalReads
from services.registry.store.queries import load_queries
from services.registry.store.relaying import OutboxStore
from services.registry.store.work import PostgresStore
from shared import log, process
from shared.bus import BusMetrics, Connection, Consumer, Producer, cluster_id, probe_all
from shared.clock import Clock, utc_now
from shared.events import BULK
from shared.i18n import load
from shared.lifecycle import Lifecycle, Wakeup
from shared.outbox import Relay, RelayMetrics
from shared.phone import Fingerprinter
from shared.seal import Sealer
from shared.settings import load as load_settings
from shared.telemetry import Tracing, new_registry, open_tracing
from shared.web import Probe, create_web, serving

PRESETS = Path(__file__).parent / "presets"
LANES = 64
"""Events heard at once: they share transactions, so that more of them cost less each, and three connections at most."""

FANS_OUT = frozenset({BULK.name})
"""Announcements: thousands follow from one confirmation."""

logger = structlog.get_logger(__name__)


def load_presets(folder: Path = PRESETS) -> dict[str, Preset]:
    """The shipped presets by code."""
    found = (
        Preset.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.toml"))
    )
    return {preset.code: preset for preset in found}


def build_service(
    settings: Settings,
    database: Database,
    committed: Callable[[], None],
    clock: Clock = utc_now,
    took: Took = untold,
) -> Service:
    """All use cases. `committed` is called when something was committed that others wait for, `took` with the time
    of each step of an appointment."""
    vault = Vault(settings.phone_keys_plain())
    sealer = Sealer("registry", settings.own_seal_keys(), settings.seal_peers)
    fingerprinter = Fingerprinter(settings.fingerprint_keys_plain())
    phonebook = Phonebook(fingerprinter, vault, settings.test_number_prefixes)
    rules = Rules(Statements(sealer, vault, fingerprinter), phonebook, vault, load_presets(), clock, took)
    return Service.of(PostgresStore(database, committed), rules)


@dataclass(frozen=True)
class Relaying:
    """What a relay is built of."""

    database: Database
    wakeup: Wakeup
    clock: Clock
    metrics: RelayMetrics
    tracing: Tracing


async def _start_relay(life: Lifecycle, connection: Connection, parts: Relaying) -> Probe:
    """For /ready: whether Kafka takes what is published."""
    producer = await life.enter(Producer(connection, tracing=parts.tracing))
    running = Relay(
        OutboxStore(parts.database),
        producer,
        cluster_id=lambda: cluster_id(connection),
        wakeup=parts.wakeup,
        clock=parts.clock,
        metrics=parts.metrics,
    )
    life.tasks.spawn(running.run(), "relay")
    life.tasks.spawn(running.watch(), "housekeeping")
    return producer.probe


def _database(settings: Settings) -> AbstractAsyncContextManager[Database]:
    return open_database(
        settings.database_url.get_secret_value(),
        load_queries(),
        size=settings.pool_size,
        timeout=settings.statement_timeout,
    )


async def serve(settings: Settings, clock: Clock) -> None:
    """Serve the API and the portal, hear events and, unless REGISTRY_RELAY is false, publish them; until a signal
    comes. Raises what killed a part."""
    async with Lifecycle() as life:
        registry = new_registry("registry")
        tracing = await life.enter(open_tracing(settings, "registry", registry, clock, FANS_OUT))
        wakeup, pages = Wakeup(), Wakeup()

        def committed() -> None:
            wakeup.wake()
            pages.wake()

        database = await life.enter(_database(settings))
        steps = StepMetrics(registry)
        service = build_service(settings, database, committed, clock, steps.took)
        life.tasks.spawn(service.announcing.run(), "announcements")
        connection = Connection.of(settings, "registry")
        probes: dict[str, Probe] = {"database": database.probe}
        if settings.relay:
            parts = Relaying(database, wakeup, clock, RelayMetrics(registry), tracing)
            probes["outbox"] = await _start_relay(life, connection, parts)
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
            await life.enter(member(GROUP, subscriptions(service, clock))),
            await life.enter(member(DELIVERIES_GROUP, delivery_subscriptions(service))),
        ]

        probes["bus"] = partial(probe_all, consumers)
        web = create_web("registry", registry, probes, body_limits=BODY_LIMITS, tracing=tracing)
        catalogues = load(LOCALE)
        desk = Desk(service.importing, life.tasks)
        web.include_router(routes(service, clock, desk, catalogues))
        presets, https = tuple(load_presets().values()), settings.public_url.startswith("https:")
        site = build_site(
            Parts(service, PortalReads(database), presets, catalogues, clock, desk, pages, https, steps.took, tracing)
        )
        web.include_router(site.router)
        port = await life.enter(serving(web, settings.host, settings.port, life.tasks))
        await life.enter(site.hub.running(life.tasks))
        logger.info("registry serves", port=port)
        await life.until_stopped()


async def relay(settings: Settings, clock: Clock) -> None:
    """Publish events and do nothing else, until a signal comes."""
    async with Lifecycle() as life:
        registry = new_registry("registry")
        tracing = await life.enter(open_tracing(settings, "registry", registry, clock, FANS_OUT))
        database = await life.enter(_database(settings))
        connection = Connection.of(settings, "registry-relay")
        parts = Relaying(database, Wakeup(), clock, RelayMetrics(registry), tracing)
        await _start_relay(life, connection, parts)
        logger.info("registry relays")
        await life.until_stopped()


async def bootstrap(settings: Settings, clock: Clock) -> dict[str, str]:
    """Create the organisation with its catalogue where it is missing; a new API key of the recorder and a new
    sign-in link."""
    preset = load_presets()[settings.preset]
    async with _database(settings) as database:
        gate = build_service(settings, database, Wakeup().wake).gate
        await gate.install(settings.organisation_id, preset, clock())
        key = await gate.issue_key(settings.organisation_id, RECORDER, clock())
    return {"api_key": key, "sign_in_url": await sign_in(settings, clock)}


async def sign_in(settings: Settings, clock: Clock) -> str:
    """A one-time link to the portal, valid 15 minutes."""
    async with _database(settings) as database:
        gate = build_service(settings, database, Wakeup().wake).gate
        token = await gate.issue_sign_in(settings.organisation_id, ADMINISTRATOR, clock())
    return f"{settings.public_url.rstrip('/')}/sign-in/{token}"


async def rekey(settings: Settings) -> int:
    """After a new fingerprint key was added: find every phone under it too. Then the old one may be retired. Returns
    how many phones it was."""
    async with _database(settings) as database:
        return await build_service(settings, database, Wakeup().wake).operating.rekey()


def main(arguments: Sequence[str] | None = None) -> None:
    """`serve` (also without a word), `relay`, `migrate`, `bootstrap [--json]`, `sign-in`, `rekey`."""
    parser = argparse.ArgumentParser(prog="python -m services.registry", description=(__package__ or "registry"))
    parser.add_argument(
        "act", nargs="?", default="serve", choices=["serve", "relay", "migrate", "bootstrap", "sign-in", "rekey"]
    )
    parser.add_argument("--json", action="store_true", help="bootstrap: one JSON object instead of two lines")
    asked = parser.parse_args(arguments)
    settings = load_settings(Settings)
    log.configure("registry", settings.log_level)
    if asked.act == "migrate":
        from services.registry.migrations import migrate  # noqa: PLC0415 # Alembic is a third of the start and 20 MB

        asyncio.run(migrate(settings.database_url.get_secret_value()))
    elif asked.act == "bootstrap":
        made = uvloop.run(bootstrap(settings, utc_now))
        _say(orjson.dumps(made).decode() if asked.json else "\n".join(f"{name}: {made[name]}" for name in made))
    elif asked.act == "sign-in":
        _say(uvloop.run(sign_in(settings, utc_now)))
    elif asked.act == "rekey":
        _say(f"{uvloop.run(rekey(settings))} phones")
    else:
        process.run({"serve": serve, "relay": relay}[asked.act](settings, utc_now))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
