"""Telegram as a channel of the ledger: how a message reads there, and how it is sent."""

from typing import Protocol
from uuid import UUID

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.types import InlineKeyboardMarkup

from services.notifier.channels.telegram.refusals import PROVIDER, meaning
from services.notifier.channels.telegram.words import Words
from services.notifier.domain.failures import Class, SendFailure
from services.notifier.domain.message import Accepted, Letter, Outgoing
from shared.events import AnnouncementText, Channel, EndedText, InvitationText, Reason


class Chats(Protocol):
    """What is kept about chats."""

    async def current(self, chat_id: int) -> int:
        """The id that a group or channel has now: a group that became a supergroup got another one."""

    async def moved(self, chat_id: int, to: int) -> None:
        """It got another id."""

    async def asked(self, chat_id: int, message_id: int, challenge_id: UUID) -> None:
        """This message asks about that challenge: it is changed when the challenge is over."""

    async def lost(self, chat_id: int) -> None:
        """Nothing gets to this person any more: they blocked the bot, or the account is gone."""


class TelegramChannel:
    """The bot's messages to linked accounts and its posts in units' channels. Telegram has no receipts: accepted is
    final. The sender engine paces it: `chat` names the chat whose own limit applies."""

    name = Channel.TELEGRAM
    provider = PROVIDER
    receipts = False
    two_way = True

    def __init__(self, bot: Bot, words: Words, chats: Chats) -> None:
        """`bot` is not the one of the dialog: announcements must not hold the dialog's connections."""
        self._bot = bot
        self._chats = chats
        self._words = words
        self.credential = credential(bot)

    def chat(self, outgoing: Outgoing) -> str | None:
        """Every chat has a limit of its own."""
        return outgoing.address

    def render(self, letter: Letter) -> Outgoing:
        """The message as Telegram's HTML, with its buttons. Raises SendFailure for a template of another channel."""
        message, words, language = letter.message, self._words, letter.message.language
        markup: InlineKeyboardMarkup | None = None
        match message.text:
            case InvitationText() as text if message.challenge_id:
                body = words.invitation(language, text, letter.contact, letter.secrets.code)
                markup = words.buttons(language, message.challenge_id)
            case EndedText() as text:
                body = words.ended(language, text)
            case AnnouncementText() as text:
                body = words.announcement(language, text, letter.secrets.name)
            case _:
                raise SendFailure(Class.PERMANENT, Reason.REJECTED, provider=PROVIDER, provider_code="template")
        extra = {"reply_markup": markup, "challenge_id": message.challenge_id} if markup else {}
        tries, until = message.tries + 1, message.not_after
        return Outgoing(message.id, message.lane, tries, letter.address, body, not_after=until, extra=extra)

    async def send(self, outgoing: Outgoing) -> Accepted:
        """Send once; to the new id once more where the chat has moved. The reference is `<chat id>:<message id>`:
        what an edit needs. Raises SendFailure."""
        chat_id = int(outgoing.address)
        if chat_id < 0:
            chat_id = await self._chats.current(chat_id)
        try:
            return await self._call(chat_id, outgoing)
        except SendFailure as failure:
            if failure.migrate_to is not None:
                await self._chats.moved(int(outgoing.address), failure.migrate_to)
                return await self._call(failure.migrate_to, outgoing)
            if chat_id > 0 and failure.reason in {Reason.BLOCKED, Reason.UNREACHABLE}:
                await self._chats.lost(chat_id)
            raise

    async def _call(self, chat_id: int, outgoing: Outgoing) -> Accepted:
        markup = outgoing.extra.get("reply_markup")
        try:
            sent = await self._bot.send_message(
                chat_id=chat_id,
                text=outgoing.body,
                parse_mode="HTML",
                reply_markup=markup if isinstance(markup, InlineKeyboardMarkup) else None,
            )
        except AiogramError as error:
            raise meaning(error, room=chat_id < 0) from None
        challenge_id = outgoing.extra.get("challenge_id")
        if isinstance(challenge_id, UUID):
            await self._chats.asked(sent.chat.id, sent.message_id, challenge_id)
        return Accepted(f"{sent.chat.id}:{sent.message_id}")


def credential(bot: Bot) -> str:
    """The bucket that all replicas of this bot share."""
    return f"{PROVIDER}:{bot.id}"
