"""Composition root: builds everything from the settings, starts it, stops it in reverse."""

import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import structlog
import uvloop
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from redis.asyncio import Redis

from services.notifier.api import operator
from services.notifier.api import telegram as telegram_api
from services.notifier.api import twilio as twilio_api
from services.notifier.channels.twilio import Account, Twilio
from services.notifier.consumer import BULK_GROUP, GROUP, URGENT_GROUP, message_subscriptions, subscriptions
from services.notifier.domain.ports import Channel, Informant, Silent
from services.notifier.domain.texts import Texts, catalogue_of
from services.notifier.migrations import migrate
from services.notifier.relay import Relay, RelayMetrics
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
from services.notifier.store.receipts import Afterwards
from services.notifier.store.requests import Requests as RequestStore
from services.notifier.store.retention import Retention
from services.notifier.store.vault import Vault
from shared import log
from shared.bus import Broker, BusMetrics, BusUnavailable, Connection, Consumer, Producer, cluster_id
from shared.clock import Clock, utc_now
from shared.events import BULK, URGENT, Lane
from shared.events import Channel as ChannelName
from shared.lifecycle import Lifecycle, Tasks
from shared.phone import Fingerprinter, normalise
from shared.seal import Sealer
from shared.telemetry import new_registry
from shared.web import Probe, create_web, serving

if TYPE_CHECKING:
    from services.notifier.bot.edge import Telegram

logger = structlog.get_logger(__name__)

LOCALE = Path(__file__).parent / "locale"


def texts() -> Texts:
    """The SMS texts of all languages. Raises ValueError when they do not match each other."""
    return Texts(
        {
            "hi": catalogue_of((LOCALE / "hi.toml").read_text(encoding="utf-8")),
            "en": catalogue_of((LOCALE / "en.toml").read_text(encoding="utf-8")),
        }
    )


@asynccontextmanager
async def _valkey(settings: Settings) -> AsyncIterator[Redis]:
    client = Redis.from_url(settings.valkey_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5)
    try:
        yield client
    finally:
        await client.aclose()


@dataclass(frozen=True, slots=True)
class Shop:
    """What most parts are made from."""

    settings: Settings
    clock: Clock
    registry: CollectorRegistry
    database: Database
    pacing: Pacing
    vault: Vault
    sealer: Sealer
    fingerprinter: Fingerprinter
    relay: Relay

    def normalise(self, raw: str) -> str:
        """A phone in E.164. Raises NotAPhone, NotAMobile, CountryNotServed."""
        return normalise(raw, test_prefixes=self.settings.test_number_prefixes)


async def run(settings: Settings, clock: Clock, broker: Broker | None = None) -> None:
    """Run until a signal comes. Raises what killed a part. `broker`: default the settings' Kafka."""
    async with Lifecycle() as life:
        bus = broker or Connection.of(settings, "notifier")
        shop = await _shop(settings, clock, bus, life)
        session = await life.enter(aiohttp.ClientSession(trust_env=False))
        twilio = Twilio(session, account_of(settings), texts().write, clock)
        telegram = await _telegram(shop, life) if settings.telegram_token else None
        channels: dict[ChannelName, Channel] = {ChannelName.SMS: twilio}
        shop.pacing.allow(twilio.credential, Limit(settings.sms_per_second, settings.sms_reserved))
        if telegram:
            channels[ChannelName.TELEGRAM] = telegram.channel
        informant: Informant = telegram.informant if telegram else Silent()

        metrics = Metrics(shop.registry, [(channel.provider, channel.name.value) for channel in channels.values()])
        ledger = Ledger(shop.database)
        stated, jitter = shop.relay.wakeup.wake, secrets.SystemRandom().random
        opener = Opener(shop.sealer, shop.vault)
        parts = Parts(ledger, shop.pacing, channels, opener, metrics, clock, jitter, stated)
        senders = {
            Lane.URGENT: await life.enter(Sender(parts, Lane.URGENT, workers=settings.urgent_workers)),
            Lane.BULK: await life.enter(Sender(parts, Lane.BULK, workers=settings.bulk_workers)),
        }
        for lane, sender in senders.items():
            life.tasks.spawn(sender.crashed(), f"{lane} sender")
        afterwards = Afterwards(shop.database)
        life.tasks.spawn(watch_leases(afterwards, clock, stated, metrics), "leases")

        wake = {lane: sender.wakeup.wake for lane, sender in senders.items()}
        requests = Requests(RequestStore(shop.database, informant), shop.sealer, wake, stated)
        keys = Keys(shop.sealer, shop.vault, shop.fingerprinter, shop.normalise)
        conversation = Conversation(
            Inbound(shop.database, informant), keys, settings.organisation_id, clock, metrics,
            sending=wake[Lane.URGENT], stated=stated,
        )  # fmt: skip
        life.tasks.spawn(conversation.run(), "inbound")

        member = partial(Consumer, bus, clock=clock, tasks=life.tasks, metrics=BusMetrics(shop.registry))
        consumers = [await life.enter(consumer) for consumer in _consumers(member, requests, conversation, clock)]
        probes: dict[str, Probe] = {
            "database": shop.database.probe,
            "valkey": shop.pacing.probe,
            "bus": partial(_bus, consumers),
        }
        web = create_web("notifier", shop.registry, probes)
        web.include_router(twilio_api.routes(twilio, Receipts(afterwards, clock, metrics, stated), conversation))
        if settings.operator_key:
            key = settings.operator_key.get_secret_value()
            web.include_router(operator.routes(Outbox(shop.database), stated, key))
        if telegram and settings.telegram_webhook_secret and settings.telegram_mode == "webhook":
            secret = settings.telegram_webhook_secret.get_secret_value()
            web.include_router(telegram_api.routes(telegram.bot_id, secret, telegram.take))
        port = await life.enter(serving(web, settings.host, settings.port, life.tasks))
        logger.info("notifier runs", port=port)
        await life.until_stopped()


async def _shop(settings: Settings, clock: Clock, bus: Broker, life: Lifecycle) -> Shop:
    registry = new_registry()
    valkey = await life.enter(_valkey(settings))
    database = await life.enter(Database(settings.database_url.get_secret_value()))
    producer = await life.enter(Producer(bus))
    relay = Relay(
        Outbox(database), Retention(database), producer,
        cluster_id=partial(_cluster, bus), clock=clock, metrics=RelayMetrics(registry),
    )  # fmt: skip
    # Stopped after the senders, whose last outcomes it publishes, and before the database.
    background = await life.enter(Tasks())
    background.spawn(relay.run(), "relay")
    background.spawn(relay.watch(), "outbox watch")
    life.tasks.spawn(background.crashed(), "background")
    return Shop(
        settings=settings,
        clock=clock,
        registry=registry,
        database=database,
        pacing=Pacing(valkey, {}, clock),
        vault=Vault(settings.keys("store_keys")),
        sealer=Sealer("notifier", settings.own_seal_keys(), settings.seal_peers),
        fingerprinter=Fingerprinter(settings.keys("fingerprint_keys")),
        relay=relay,
    )


async def _telegram(shop: Shop, life: Lifecycle) -> "Telegram":
    """The bot, running."""
    from services.notifier.bot.edge import Config, Telegram, Tools  # noqa: PLC0415 # aiogram costs 3 s of CPU to import

    settings = shop.settings
    token = settings.telegram_token.get_secret_value() if settings.telegram_token else ""
    bot_id = token.partition(":")[0]
    webhook = f"{settings.public_url}/telegram/{bot_id}" if settings.telegram_mode == "webhook" else None
    secret = settings.telegram_webhook_secret.get_secret_value() if settings.telegram_webhook_secret else ""
    tools = Tools(
        database=shop.database,
        vault=shop.vault,
        pacer=shop.pacing,
        sealer=shop.sealer,
        fingerprinter=shop.fingerprinter,
        normalise=shop.normalise,
        registry=shop.registry,
        clock=shop.clock,
        jitter=secrets.SystemRandom().random,
        stated=shop.relay.wakeup.wake,
    )
    telegram = Telegram(Config(token, settings.telegram_api_base, webhook, secret), tools)
    limit = Limit(settings.telegram_per_second, settings.telegram_reserved, chat_per_second=1, group_per_minute=20)
    shop.pacing.allow(telegram.channel.credential, limit)
    await life.enter(telegram)
    life.tasks.spawn(telegram.crashed(), "telegram")
    return telegram


async def _cluster(bus: Broker) -> str:
    return await cluster_id(bus) if isinstance(bus, Connection) else "memory"


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
