"""Connections to the Bot API: one for calls, one for polling, at an address that is https outside loopback."""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import AnswerCallbackQuery, GetUpdates, TelegramMethod
from aiogram.methods.base import Response, TelegramType
from aiohttp import ClientError, ClientSession, ClientTimeout

from services.notifier.domain.ports import Pacer
from shared.errors import Failure, Retry, Throttled
from shared.events import Lane

CALL_SECONDS = 10.0
"""A call that takes longer is given up as unknown: the person waits, and Telegram's own answers take under 1 s."""
CONNECT_SECONDS = 5.0
PATIENCE = 2.0
"""Seconds that a call waits for a place; a longer wait is the answer's row's, so that its lease can be short."""
CALLS_AT_ONCE = 32
POLL_MARGIN = 10.0
"""Seconds that a long poll may take beyond the waiting that it asked for."""


class InsecureAddress(Failure):
    """The Bot API's address must be https; http is allowed on loopback only, since the token stands in every URL."""

    code = "insecure_address"


class NoPlace(Throttled):
    """The bot's limit leaves no place for this call now."""

    code = "telegram_no_place"


class Unreachable(Failure):
    """The Bot API does not answer."""

    code = "telegram_unreachable"
    status = 503
    retry = Retry.LATER


def server(base: str) -> TelegramAPIServer:
    """The Bot API at `base`. Raises InsecureAddress."""
    parts = urlsplit(base)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise InsecureAddress
    return TelegramAPIServer.from_base(base)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def connect(token: str, at: TelegramAPIServer) -> Bot:
    """A client for single calls, nothing opened yet. Raises aiogram's TokenValidationError for what is no token."""
    timeout: Any = ClientTimeout(total=CALL_SECONDS, sock_connect=CONNECT_SECONDS)  # handed on to aiohttp as it is
    return Bot(token, session=AiohttpSession(api=at, limit=CALLS_AT_ONCE, timeout=timeout))


class Paced(BaseRequestMiddleware):
    """Every call waits for its place in the token's limit; only answers to taps are free
    (tdlib/telegram-bot-api#648)."""

    def __init__(self, pacer: Pacer, credential: str, lane: Lane) -> None:
        self._pacer = pacer
        self._credential = credential
        self._lane = lane

    async def __call__(
        self, make_request: NextRequestMiddlewareType[TelegramType], bot: Bot, method: TelegramMethod[TelegramType]
    ) -> Response[TelegramType]:
        """Wait some seconds for a place, then call. Raises NoPlace."""
        if not isinstance(method, AnswerCallbackQuery):
            chat = getattr(method, "chat_id", None)
            wait = await self._pacer.acquire(
                self._credential, str(chat) if chat else None, self._lane, at_most=PATIENCE
            )
            if wait:
                raise NoPlace(retry_after=wait)
        return await make_request(bot, method)


class Polling:
    """Fetches updates as raw JSON, on a connection of its own: one update that aiogram cannot read would make it
    refuse the whole batch for 24 hours (aiogram#1840)."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._url = bot.session.api.api_url(bot.token, "getUpdates")
        self._session = ClientSession()

    async def fetch(self, offset: int, wait: int, allowed: tuple[str, ...]) -> list[Any]:
        """The updates from `offset` on, waiting up to `wait` seconds for the first. Telegram forgets those below.
        Raises Unreachable or what aiogram makes of a refusal."""
        form = {"offset": offset, "timeout": wait, "allowed_updates": orjson.dumps(allowed).decode()}
        timeout = ClientTimeout(total=wait + POLL_MARGIN, sock_connect=CONNECT_SECONDS)
        try:
            async with self._session.post(self._url, data=form, timeout=timeout) as answer:
                body = await answer.read()
                status = answer.status
            content = orjson.loads(body)
        except (ClientError, TimeoutError, OSError, orjson.JSONDecodeError):
            raise Unreachable from None  # the client's own errors may show the URL, and with it the token
        if not isinstance(content, dict) or not content.get("ok"):
            self._bot.session.check_response(self._bot, GetUpdates(), status, body.decode(errors="replace"))
        found = content.get("result")
        if not isinstance(found, list):
            raise Unreachable
        return found

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()
