"""Telegram's Bot API: connection, refusals, texts, and the channel that the ledger sends by."""

from services.notifier.channels.telegram.channel import TelegramChannel, credential
from services.notifier.channels.telegram.connection import Paced, Polling, Unreachable, connect, server
from services.notifier.channels.telegram.words import Words

__all__ = [
    "Paced", "Polling", "TelegramChannel", "Unreachable", "Words", "connect", "credential", "server",
]  # fmt: skip
