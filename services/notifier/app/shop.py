"""What most parts are made from: stores, keys, the relay."""

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from services.notifier.settings import Settings
from services.notifier.store.database import Database
from services.notifier.store.outbox import Outbox
from services.notifier.store.pacing import Pacing
from services.notifier.store.vault import Vault
from shared.bus import Broker, Connection, Producer, cluster_id
from shared.clock import Clock
from shared.lifecycle import Lifecycle, Tasks, Wakeup
from shared.outbox import Relay, RelayMetrics
from shared.phone import Fingerprinter, normalise
from shared.seal import Sealer
from shared.telemetry import Tracing, new_registry, open_tracing
from shared.valkey import open_valkey
from shared.web import Probe


@dataclass(frozen=True, slots=True)
class Shop:
    """What most parts are made from."""

    settings: Settings
    clock: Clock
    bus: Broker
    published: Probe
    """For /ready: whether Kafka takes what is published."""
    registry: CollectorRegistry
    tracing: Tracing
    database: Database
    pacing: Pacing
    vault: Vault
    sealer: Sealer
    fingerprinter: Fingerprinter
    outbox: Outbox
    relaying: Wakeup
    background: Tasks
    """Stopped after the senders, whose last outcomes the relay publishes, and before the database."""

    def normalise(self, raw: str) -> str:
        """A phone in E.164. Raises NotAPhone, NotAMobile, CountryNotServed."""
        return normalise(raw, test_prefixes=self.settings.test_number_prefixes)

    def stated(self) -> None:
        """Something is in the outbox."""
        self.relaying.wake()


async def open_shop(settings: Settings, clock: Clock, bus: Broker, life: Lifecycle) -> Shop:
    """Stores, keys and the relay, running."""
    registry = new_registry("notifier")
    tracing = await life.enter(open_tracing(settings, "notifier", registry, clock))
    valkey = await life.enter(open_valkey(settings.valkey_url.get_secret_value(), name="boothline-notifier"))
    database = await life.enter(Database(settings.database_url.get_secret_value()))
    producer = await life.enter(Producer(bus, tracing=tracing))
    outbox, relaying, metrics = Outbox(database, clock), Wakeup(), RelayMetrics(registry)
    relay = Relay(outbox, producer, cluster_id=partial(_cluster, bus), wakeup=relaying, clock=clock, metrics=metrics)
    background = await life.enter(Tasks())
    background.spawn(relay.run(), "relay")
    background.spawn(relay.watch(), "outbox watch")
    life.tasks.spawn(background.crashed(), "background")
    return Shop(
        settings=settings,
        clock=clock,
        bus=bus,
        published=producer.probe,
        registry=registry,
        tracing=tracing,
        database=database,
        pacing=Pacing(valkey, {}, clock),
        vault=Vault(settings.keys("store_keys")),
        sealer=Sealer("notifier", settings.own_seal_keys(), settings.seal_peers),
        fingerprinter=Fingerprinter(settings.keys("fingerprint_keys")),
        outbox=outbox,
        relaying=relaying,
        background=background,
    )


async def _cluster(bus: Broker) -> str:
    return await cluster_id(bus) if isinstance(bus, Connection) else "memory"
