"""Composition root: builds everything from the settings, starts it, stops it in reverse."""

import gc
import secrets
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import structlog
from fastapi import FastAPI

from services.notifier.api import operator
from services.notifier.api import telegram as telegram_api
from services.notifier.api import twilio as twilio_api
from services.notifier.app.shop import Shop, open_shop
from services.notifier.app.ways import LOCALE, Ways, open_ways, texts
from services.notifier.consumer import BULK_GROUP, GROUP, URGENT_GROUP, message_subscriptions, subscriptions
from services.notifier.migrations import migrate
from services.notifier.service.conversation import Conversation, Keys
from services.notifier.service.metrics import Metrics
from services.notifier.service.opening import Opener
from services.notifier.service.receipts import Receipts
from services.notifier.service.requests import Requests
from services.notifier.service.sender import Sender, watch_leases
from services.notifier.service.sending import Parts
from services.notifier.settings import Settings
from services.notifier.store.inbound import Inbound
from services.notifier.store.ledger import Ledger
from services.notifier.store.receipts import Afterwards
from services.notifier.store.requests import Requests as RequestStore
from shared import log, process
from shared.bus import Broker, BusMetrics, Connection, Consumer, probe_all
from shared.clock import Clock, utc_now
from shared.events import BULK, URGENT, Lane
from shared.lifecycle import Lifecycle
from shared.settings import load
from shared.web import Probe, create_web, serving

logger = structlog.get_logger(__name__)

REQUESTS_AT_ONCE = 64
"""Handlers at once of each message topic: what is asked for at one time is one transaction on one connection."""

__all__ = ["LOCALE", "main", "run", "texts"]


async def run(settings: Settings, clock: Clock, broker: Broker | None = None) -> None:
    """Run until a signal comes. Raises what killed a part. `broker`: default the settings' Kafka."""
    async with Lifecycle() as life:
        shop = await open_shop(settings, clock, broker or Connection.of(settings, "notifier"), life)
        ways = await open_ways(shop, life)
        metrics = Metrics(shop.registry, [(way.provider, way.name.value) for way in ways.channels.values()])
        senders = await _lanes(shop, ways, metrics, life)
        conversation = _conversation(shop, ways, metrics, senders)
        consumers = await _consumers(shop, ways, senders, conversation, life)
        web = _web(shop, ways, metrics, conversation, consumers)
        port = await life.enter(serving(web, settings.host, settings.port, life.tasks))
        logger.info("notifier runs", port=port)
        gc.collect()
        gc.freeze()  # what lives as long as the process is not walked again: 10 % of all CPU, and pauses of 250 ms
        await life.until_stopped()


async def _lanes(shop: Shop, ways: Ways, metrics: Metrics, life: Lifecycle) -> Mapping[Lane, Sender]:
    settings = shop.settings
    opener = Opener(shop.sealer, shop.vault)
    jitter = secrets.SystemRandom().random
    ledger, clock = Ledger(shop.database), shop.clock
    parts = Parts(ledger, shop.pacing, ways.channels, opener, metrics, clock, jitter, shop.stated, shop.tracing)
    senders = {
        Lane.URGENT: await life.enter(Sender(parts, Lane.URGENT, workers=settings.urgent_workers)),
        Lane.BULK: await life.enter(Sender(parts, Lane.BULK, workers=settings.bulk_workers)),
    }
    for lane, sender in senders.items():
        life.tasks.spawn(sender.crashed(), f"{lane} sender")
    shop.background.spawn(watch_leases(Afterwards(shop.database), shop.clock, shop.stated, metrics), "leases")
    return senders


def _conversation(shop: Shop, ways: Ways, metrics: Metrics, senders: Mapping[Lane, Sender]) -> Conversation:
    conversation = Conversation(
        Inbound(shop.database, ways.informant),
        Keys(shop.sealer, shop.vault, shop.fingerprinter, shop.normalise),
        shop.settings.organisation_id,
        shop.clock,
        metrics,
        sending=senders[Lane.URGENT].wakeup.wake,
        stated=shop.stated,
    )
    shop.background.spawn(conversation.run(), "inbound")
    return conversation


async def _consumers(
    shop: Shop, ways: Ways, senders: Mapping[Lane, Sender], conversation: Conversation, life: Lifecycle
) -> Sequence[Consumer]:
    wake = {lane: sender.wakeup.wake for lane, sender in senders.items()}
    store = RequestStore(shop.database, ways.informant)
    requests = Requests(store, shop.sealer, wake, shop.stated)
    messages = message_subscriptions(requests, shop.clock)
    others = subscriptions(requests, conversation, shop.clock)
    metrics = BusMetrics(shop.registry)
    member = partial(Consumer, shop.bus, clock=shop.clock, tasks=life.tasks, metrics=metrics, tracing=shop.tracing)
    return [
        await life.enter(member(URGENT_GROUP, messages, topics=(URGENT,), lanes=REQUESTS_AT_ONCE)),
        await life.enter(member(BULK_GROUP, messages, topics=(BULK,), lanes=REQUESTS_AT_ONCE)),
        await life.enter(member(GROUP, others)),
    ]


def _web(
    shop: Shop, ways: Ways, metrics: Metrics, conversation: Conversation, consumers: Sequence[Consumer]
) -> FastAPI:
    settings = shop.settings
    probes: dict[str, Probe] = {
        "database": shop.database.probe,
        "valkey": shop.pacing.probe,
        "outbox": shop.published,
        "bus": partial(probe_all, consumers),
    }
    web = create_web("notifier", shop.registry, probes, tracing=shop.tracing)
    receipts = Receipts(Afterwards(shop.database), shop.clock, metrics, shop.stated)
    twilio_api.install(web, ways.twilio, receipts)
    web.include_router(twilio_api.routes(ways.twilio, conversation))
    if settings.operator_key:
        key = settings.operator_key.get_secret_value()
        web.include_router(operator.routes(shop.outbox, shop.stated, key))
    if ways.telegram and settings.telegram_webhook_secret and settings.telegram_mode == "webhook":
        secret = settings.telegram_webhook_secret.get_secret_value()
        web.include_router(telegram_api.routes(ways.telegram.bot_id, secret, ways.telegram.take))
    return web


def main(arguments: Sequence[str]) -> None:
    """Serve, or `migrate`; wrong settings end it with a sentence."""
    settings = load(Settings)
    if list(arguments) == ["migrate"]:
        migrate(settings.database_url.get_secret_value())
        return
    if arguments:
        sys.exit("usage: python -m services.notifier [migrate]")
    log.configure("notifier", settings.log_level)
    process.run(run(settings, utc_now))
