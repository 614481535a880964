"""The ways out: Twilio always, the Telegram bot where there is a token."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from services.notifier.app.shop import Shop
from services.notifier.channels.twilio import Account, Twilio
from services.notifier.domain.ports import Channel, Informant, Silent
from services.notifier.domain.texts import Texts, catalogue_of
from services.notifier.settings import Settings
from services.notifier.store.pacing import Limit
from shared.events import Channel as ChannelName
from shared.lifecycle import Lifecycle

if TYPE_CHECKING:
    from services.notifier.bot.edge import Telegram

LOCALE = Path(__file__).parents[1] / "locale"


@dataclass(frozen=True, slots=True)
class Ways:
    """What reaches people."""

    twilio: Twilio
    telegram: "Telegram | None"

    @property
    def channels(self) -> Mapping[ChannelName, Channel]:
        """By name."""
        known: dict[ChannelName, Channel] = {ChannelName.SMS: self.twilio}
        return known | {ChannelName.TELEGRAM: self.telegram.channel} if self.telegram else known

    @property
    def informant(self) -> Informant:
        """Who hears of outcomes beside SMS."""
        return self.telegram.informant if self.telegram else Silent()


async def open_ways(shop: Shop, life: Lifecycle) -> Ways:
    """The channels with their limits; the bot is running."""
    settings = shop.settings
    session = await life.enter(aiohttp.ClientSession(trust_env=False))
    twilio = Twilio(session, account_of(settings), texts().write, shop.clock)
    shop.pacing.allow(twilio.credential, Limit(settings.sms_per_second, settings.sms_reserved))
    return Ways(twilio, await _telegram(shop, life) if settings.telegram_token else None)


def texts() -> Texts:
    """The SMS texts of all languages. Raises ValueError when they do not match each other."""
    return Texts(
        {
            "hi": catalogue_of((LOCALE / "hi.toml").read_text(encoding="utf-8")),
            "en": catalogue_of((LOCALE / "en.toml").read_text(encoding="utf-8")),
        }
    )


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


async def load_bot() -> None:
    """aiogram costs 3 s of CPU to import, on a busy machine a minute of time: meanwhile the event loop goes on, or its
    guard would end the process."""
    await asyncio.to_thread(import_module, "services.notifier.bot.edge")


async def _telegram(shop: Shop, life: Lifecycle) -> "Telegram":
    """The bot, running."""
    await load_bot()
    from services.notifier.bot.edge import Config, Telegram, Tools  # noqa: PLC0415 # loaded where there is a bot only

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
        stated=shop.stated,
        tracing=shop.tracing,
    )
    telegram = Telegram(Config(token, settings.telegram_api_base, webhook, secret), tools)
    limit = Limit(settings.telegram_per_second, settings.telegram_reserved, chat_per_second=1, group_per_minute=20)
    shop.pacing.allow(telegram.channel.credential, limit)
    await life.enter(telegram)
    life.tasks.spawn(telegram.crashed(), "telegram")
    return telegram
