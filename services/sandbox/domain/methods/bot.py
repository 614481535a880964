"""Bot API methods about the bot itself: who it is, its commands and its webhook."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from services.sandbox.domain.chats import Json
from services.sandbox.domain.failures import bad_request, too_many
from services.sandbox.domain.params import Params
from services.sandbox.domain.telegram import Telegram, Webhook

SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
COMMAND = re.compile(r"[a-z0-9_]{1,32}")


def get_me(tg: Telegram, _params: Params, _now: float) -> Json:
    """getMe."""
    return tg.bot.api() | {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def set_webhook(tg: Telegram, params: Params, now: float) -> bool:
    """setWebhook: https, or http to loopback, which the sandbox allows so that no certificate is needed."""
    url, secret = params.text("url"), params.text("secret_token")
    if not url:
        return delete_webhook(tg, params, now)
    check_url(url)
    if secret and not SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    if tg.webhook.url != url and now - tg.webhook.set_at < 1:
        raise too_many(1)
    tg.webhook = Webhook(url, secret, params.integer("max_connections", 40) or 40, set_at=now)
    settle(tg, params)
    return True


def check_url(url: str) -> None:
    """Raises BotApiRefusal for a webhook address that is no https URL on a known port (loopback is free)."""
    parts = urlsplit(url)
    if loopback(parts.hostname or "") and parts.scheme in {"http", "https"}:
        return
    if parts.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if parts.port not in {None, 443, 80, 88, 8443}:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")


def loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def delete_webhook(tg: Telegram, params: Params, now: float) -> bool:
    """deleteWebhook."""
    tg.webhook = Webhook(set_at=now)
    settle(tg, params)
    return True


def settle(tg: Telegram, params: Params) -> None:
    """Apply allowed_updates and drop_pending_updates, then wake whoever delivers."""
    tg.updates.allow(allowed(params))
    if params.flag("drop_pending_updates"):
        tg.updates.pending.clear()
    tg.touch("updates")


def allowed(params: Params) -> list[str] | None:
    """allowed_updates of a call; None when it is absent."""
    kinds = params.nested("allowed_updates", "allowed_updates")
    return [str(kind) for kind in kinds] if isinstance(kinds, list) else None


def webhook_info(tg: Telegram, _params: Params, now: float) -> Json:
    """getWebhookInfo."""
    tg.updates.expire(now)
    info: Json = {
        "url": tg.webhook.url,
        "has_custom_certificate": False,
        "pending_update_count": len(tg.updates.pending),
        "allowed_updates": sorted(tg.updates.allowed),
    }
    if tg.webhook.url:
        info["max_connections"] = tg.webhook.max_connections
    if tg.webhook.last_error:
        info |= {"last_error_date": tg.webhook.last_error_date, "last_error_message": tg.webhook.last_error}
    return info


def commands_key(params: Params) -> str:
    """Commands are kept per scope and language."""
    return f"{params.text('scope') or 'default'}:{params.text('language_code')}"


def set_commands(tg: Telegram, params: Params, _now: float) -> bool:
    """setMyCommands."""
    commands = params.nested("commands", "commands")
    if not isinstance(commands, list):
        raise bad_request("can't parse commands JSON object")
    for command in commands:
        if not COMMAND.fullmatch(str(command.get("command", "")).removeprefix("/")):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= 256:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    tg.commands[commands_key(params)] = commands
    return True


def get_commands(tg: Telegram, params: Params, _now: float) -> list[Json]:
    """getMyCommands."""
    return tg.commands.get(commands_key(params), [])


def delete_commands(tg: Telegram, params: Params, _now: float) -> bool:
    """deleteMyCommands."""
    tg.commands.pop(commands_key(params), None)
    return True


def set_text(name: str) -> Callable[[Telegram, Params, float], bool]:
    """setMyName, setMyDescription, setMyShortDescription: one text per language."""

    def method(tg: Telegram, params: Params, _now: float) -> bool:
        tg.texts[f"{name}:{params.text('language_code')}"] = params.text(name)
        return True

    return method


def get_text(name: str) -> Callable[[Telegram, Params, float], Any]:
    """getMyName, getMyDescription, getMyShortDescription; the language-less text is the fallback."""

    def method(tg: Telegram, params: Params, _now: float) -> Json:
        usual = tg.texts.get(f"{name}:", tg.bot.first_name if name == "name" else "")
        return {name: tg.texts.get(f"{name}:{params.text('language_code')}", usual)}

    return method
