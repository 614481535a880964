"""What the bot tells Telegram about itself at a start, however long Telegram takes to answer."""

import structlog
from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramUnauthorizedError
from aiogram.types import BotCommand
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from services.notifier.channels.telegram.words import Words
from services.notifier.domain.telegram import ALLOWED_UPDATES
from shared.errors import Failure
from shared.i18n import LANGUAGES

log = structlog.get_logger(__name__)

COMMANDS = {
    "start": "Open invitations",
    "language": "हिन्दी / English",
    "privacy": "What happens with your data",
    "stop": "No announcements",
    "help": "Help",
}
RETRY_CAP = 60.0
"""Seconds between attempts: SMS goes on meanwhile."""


async def prepare(bot: Bot, words: Words, webhook: tuple[str, str] | None) -> None:
    """Ask who the bot is, choose polling or `webhook` (URL, secret) without dropping what waits, and state the
    commands. Tried until it succeeds: Telegram being away must not keep the service from starting."""
    attempts = AsyncRetrying(
        wait=wait_exponential_jitter(initial=1, max=RETRY_CAP),
        retry=retry_if_exception_type((AiogramError, Failure)),
        before_sleep=_tell,
    )
    async for attempt in attempts:
        with attempt:
            await _introduce(bot, words, webhook)


async def _introduce(bot: Bot, words: Words, webhook: tuple[str, str] | None) -> None:
    me = await bot.get_me()
    allowed = list(ALLOWED_UPDATES)
    if webhook:
        url, secret = webhook
        await bot.set_webhook(url, secret_token=secret, allowed_updates=allowed, drop_pending_updates=False)
    else:
        await bot.delete_webhook(drop_pending_updates=False)
    for language in LANGUAGES:
        commands = [
            BotCommand(command=command, description=words.say(language, text)) for command, text in COMMANDS.items()
        ]
        await bot.set_my_commands(commands, language_code=language)
        if language == "hi":
            await bot.set_my_commands(commands)
    log.info("bot is ready", bot_id=me.id, mode="webhook" if webhook else "polling")


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    level = log.error if isinstance(error, TelegramUnauthorizedError) else log.warning
    level("Telegram does not answer yet", error=type(error).__name__, attempt=state.attempt_number)
