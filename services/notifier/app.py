"""Composition root: builds everything from the settings, starts it, stops it in reverse."""

import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import structlog
import uvloop
from pydantic import ValidationError
from redis.asyncio import Redis

from services.notifier.api import twilio as twilio_api
from services.notifier.channels.twilio import Account, Twilio
from services.notifier.consumer import BULK_GROUP, GROUP, URGENT_GROUP, message_subscriptions, subscriptions
from services.notifier.domain.ports import Channel
from services.notifier.domain.texts import Texts, catalogue_of
from services.notifier.migrations import migrate
from services.notifier.relay import Relay
from services.notifier.service.conversation import Conversation, Keys
from services.notifier.service.metrics import Metrics
from services.notifier.service.opening import Opener
from services.notifier.service.receipts import Receipts
from services.notifier.service.requests import Requests
from services.notifier.service.sender import Sender, watch_leases
from services.notifier.service.sending import Parts
from services.notifier.settings import Settings
from services.notifier.store.database import Database
from services.notifier.store.inbound import Inbound
from services.notifier.store.ledger import Ledger
from services.notifier.store.outbox import Outbox
from services.notifier.store.pacing import Limit, Pacing
from services.notifier.store.requests import Requests as RequestStore
from services.notifier.store.vault import Vault
from shared import log
from shared.bus import Broker, BusMetrics, BusUnavailable, Connection, Consumer, Producer
from shared.clock import Clock, utc_now
from shared.events import BULK, URGENT, ChallengeEvent, Lane, PersonErased, ReplyJudged
from shared.events import Channel as ChannelName
from shared.lifecycle import Lifecycle
from shared.phone import Fingerprinter, normalise
from shared.seal import Sealer
from shared.telemetry import new_registry
from shared.web import Probe, create_web, serving

logger = structlog.get_logger(__name__)

LOCALE = Path(__file__).parent / "locale"


class Silent:
    """No bot in this installation: nobody is told."""

    async def judged(self, tx: object, event: ReplyJudged) -> None:
        """Nothing."""

    async def changed(self, tx: object, event: ChallengeEvent) -> None:
        """Nothing."""

    async def erased(self, tx: object, event: PersonErased) -> None:
        """Nothing."""

    def committed(self) -> None:
        """Nothing."""


def texts() -> Texts:
    """The SMS texts of all languages. Raises ValueError when they do not match each other."""
    return Texts(
        {
            "hi": catalogue_of((LOCALE / "hi.toml").read_text(encoding="utf-8")),
            "en": catalogue_of((LOCALE / "en.toml").read_text(encoding="utf-8")),
        }
    )


@dataclass(frozen=True, slots=True)
class Stores:
    """What keeps things."""

    database: Database
    pacing: Pacing
    vault: Vault


@asynccontextmanager
async def _stores(settings: Settings, clock: Clock, credentials: dict[str, Limit]) -> AsyncIterator[Stores]:
    valkey = Redis.from_url(settings.valkey_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5)
    try:
        async with Database(settings.database_url.get_secret_value()) as database:
            yield Stores(database, Pacing(valkey, credentials, clock), Vault(settings.keys("store_keys")))
    finally:
        await valkey.aclose()


async def run(settings: Settings, clock: Clock, broker: Broker | None = None) -> None:
    """Run until a signal comes. Raises what killed a part. `broker`: default the settings' Kafka."""
    async with Lifecycle() as life:
        registry = new_registry()
        bus = broker or Connection.of(settings, "notifier")
        session = await life.enter(aiohttp.ClientSession(trust_env=False))
        twilio = Twilio(session, account_of(settings), texts().write, clock)
        limits = {twilio.credential: Limit(settings.sms_per_second, settings.sms_reserved)}
        stores = await life.enter(_stores(settings, clock, limits))
        channels: dict[ChannelName, Channel] = {ChannelName.SMS: twilio}
        informant = Silent()

        metrics = Metrics(registry, [(channel.provider, channel.name.value) for channel in channels.values()])
        sealer = Sealer("notifier", settings.own_seal_keys(), settings.seal_peers)
        producer = await life.enter(Producer(bus))
        relay = Relay(Outbox(stores.database), producer, clock)
        life.tasks.spawn(relay.run(), "relay")

        ledger = Ledger(stores.database)
        opener = Opener(sealer, stores.vault)
        parts = Parts(
            ledger, stores.pacing, channels, opener, metrics, clock, secrets.SystemRandom().random, relay.wakeup.wake
        )
        urgent = await life.enter(Sender(parts, Lane.URGENT, workers=settings.urgent_workers))
        bulk = await life.enter(Sender(parts, Lane.BULK, workers=settings.bulk_workers))
        for sender in (urgent, bulk):
            life.tasks.spawn(sender.crashed(), "sender")
        life.tasks.spawn(watch_leases(ledger, clock, relay.wakeup.wake, metrics), "leases")

        wake = {Lane.URGENT: urgent.wakeup.wake, Lane.BULK: bulk.wakeup.wake}
        requests = Requests(RequestStore(stores.database, informant), sealer, wake, relay.wakeup.wake)
        keys = Keys(
            sealer,
            stores.vault,
            Fingerprinter(settings.keys("fingerprint_keys")),
            partial(normalise, test_prefixes=settings.test_number_prefixes),
        )
        conversation = Conversation(
            Inbound(stores.database, informant), keys, settings.organisation_id, clock, metrics,
            sending=urgent.wakeup.wake, stated=relay.wakeup.wake,
        )  # fmt: skip
        life.tasks.spawn(conversation.run(), "inbound")

        member = partial(Consumer, bus, clock=clock, tasks=life.tasks, metrics=BusMetrics(registry))
        consumers = _consumers(member, requests, conversation, clock)
        for consumer in consumers:
            await life.enter(consumer)
        probes: dict[str, Probe] = {
            "database": stores.database.probe,
            "valkey": stores.pacing.probe,
            "bus": partial(_bus, consumers),
        }
        web = create_web("notifier", registry, probes)
        receipts = Receipts(ledger, clock, metrics, relay.wakeup.wake)
        web.include_router(twilio_api.routes(twilio, receipts, conversation))
        port = await life.enter(serving(web, settings.host, settings.port, life.tasks))
        logger.info("notifier runs", port=port)
        await life.until_stopped()


def _consumers(
    member: Callable[..., Consumer], requests: Requests, conversation: Conversation, clock: Clock
) -> list[Consumer]:
    messages = message_subscriptions(requests, clock)
    return [
        member(URGENT_GROUP, messages, topics=(URGENT,)),
        member(BULK_GROUP, messages, topics=(BULK,)),
        member(GROUP, subscriptions(requests, conversation, clock)),
    ]


async def _bus(consumers: Sequence[Consumer]) -> None:
    """For /ready."""
    if not all(consumer.health.ready for consumer in consumers):
        raise BusUnavailable


def account_of(settings: Settings) -> Account:
    """Twilio's side of the settings."""
    return Account(
        sid=settings.twilio_account_sid,
        token=settings.twilio_auth_token.get_secret_value(),
        sender=settings.twilio_from,
        base_url=settings.twilio_base_url,
        public_url=settings.public_url,
        two_way=settings.twilio_two_way,
    )


def main(arguments: Sequence[str]) -> None:
    """Serve, or `migrate`; wrong settings end it with a sentence."""
    try:
        settings = Settings()
    except ValidationError as wrong:
        lines = (
            f"NOTIFIER_{'_'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in wrong.errors(include_input=False)
        )
        sys.exit("\n".join(lines))
    if list(arguments) == ["migrate"]:
        migrate(settings.database_url.get_secret_value())
        return
    if arguments:
        sys.exit("usage: python -m services.notifier [migrate]")
    log.configure("notifier", settings.log_level)
    uvloop.run(run(settings, utc_now))
