"""Which channel a message takes: Telegram where the phone is linked and fresh, else SMS."""

from collections.abc import Collection
from datetime import datetime, timedelta

from services.notifier.domain.message import ANSWER, Link, Message
from shared.events import Channel, Reason

CONTACT_FRESH = timedelta(days=90)
"""Numbers are recycled after 90 days (decision 29): an older link must share its contact again; until then SMS."""

OPT_OUT = "announcement"
"""Purpose of a suppression: announcements. Codes and answers are service messages and still go out."""


def route(
    message: Message, link: Link | None, *, opted_out: bool, available: Collection[Channel], now: datetime
) -> Channel | Reason:
    """The channel for the next try, or why there is none. `link` is the account of the recipient's phone;
    `available` are the channels that this installation has."""
    if message.template == OPT_OUT and message.chat_id is None and (opted_out or _declined(link)):
        return Reason.OPTED_OUT
    for channel in _candidates(message, link, now):
        if channel in available and channel not in message.tried:
            return channel
    return Reason.NO_CHANNEL


def usable(link: Link | None, now: datetime) -> bool:
    """Whether messages may go to this account."""
    return link is not None and link.reachable and now - link.contact_shared_at <= CONTACT_FRESH


def _declined(link: Link | None) -> bool:
    return link is not None and not link.announcements


def _candidates(message: Message, link: Link | None, now: datetime) -> tuple[Channel, ...]:
    if message.chat_id is not None:
        return (Channel.TELEGRAM,)
    if message.template == ANSWER:
        return (Channel.SMS,)
    return (Channel.TELEGRAM, Channel.SMS) if usable(link, now) else (Channel.SMS,)
