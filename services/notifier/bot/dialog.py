"""The Telegram edge: reads an update, calls the use case, and hands what is to be said to the turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aiogram import F, Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import CallbackQuery, Chat, ChatMemberUpdated, Message, TelegramObject, User

from services.notifier.bot.phrases import LANGUAGE_BUTTONS
from services.notifier.domain.saying import Kind, Saying
from services.notifier.domain.telegram import Sender, SharedContact
from services.notifier.service.telegram.answering import Answering, Tap
from services.notifier.service.telegram.linking import Linking
from services.notifier.service.telegram.memory import Memory, Turn
from services.notifier.service.telegram.wishes import Wishes
from shared.events import Language

PRIVATE = F.chat.type == "private"
LANGUAGES: dict[str, Language] = {"hi": "hi", "en": "en"}


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the dialog can do."""

    linking: Linking
    answering: Answering
    wishes: Wishes


@dataclass(slots=True)
class Handling:
    """One update being handled: its transaction, and what is said when that is committed."""

    memory: Memory
    update_id: int
    now: datetime
    says: list[Saying] = field(default_factory=list)

    def by(self, user: User | None, chat: Chat) -> Turn:
        """The turn of whoever wrote or tapped; a group may write as itself, without a person."""
        who = user.id if user else chat.id
        spoken = user.language_code if user else None
        return Turn(self.memory, Sender(who, chat.id, chat.type == "private", spoken), self.update_id, self.now)

    def of(self, message: Message) -> Turn:
        """The turn of a message's sender."""
        return self.by(message.from_user, message.chat)

    def tapped(self, query: CallbackQuery) -> Turn:
        """The turn of a tap: what follows is said to the presser alone, wherever the button stands."""
        return self.by(query.from_user, Chat(id=query.from_user.id, type="private"))

    def say(self, sayings: Sequence[Saying]) -> None:
        """Say this afterwards."""
        self.says += sayings


def chat(service: UseCases) -> Router:
    """Everything that a person can do in the chat with the bot."""
    router = Router(name="chat")
    router.include_routers(membership(service), commands(service), content(service), rooms(service))
    return router


def membership(service: UseCases) -> Router:
    """Blocking and coming back; what happens in channels is nobody's wish and is passed over."""
    router = Router(name="membership")

    @router.my_chat_member(PRIVATE)
    async def member(event: ChatMemberUpdated, handling: Handling) -> None:
        reachable = event.new_chat_member.status not in {"kicked", "left"}
        turn = handling.by(event.from_user, event.chat)
        handling.say(await service.wishes.member(turn, reachable=reachable))

    @router.my_chat_member()
    @router.chat_member()
    @router.chat_join_request()
    async def elsewhere(_: TelegramObject) -> None:
        return None

    return router


def commands(service: UseCases) -> Router:
    """/start, /language, /privacy, /stop; /help is what everything else gets."""
    router = Router(name="commands")
    router.message.filter(PRIVATE)

    @router.message(CommandStart())
    async def start(message: Message, command: CommandObject, handling: Handling) -> None:
        turn = handling.of(message)
        if command.args is None:
            handling.say(await service.wishes.resume(turn))
        handling.say(await service.linking.start(turn, command.args))

    @router.message(Command("language"))
    async def language(message: Message, command: CommandObject, handling: Handling) -> None:
        turn, chosen = handling.of(message), LANGUAGES.get((command.args or "").strip().lower())
        wishes = service.wishes
        handling.say(await (wishes.language(turn, chosen) if chosen else wishes.say(turn, Kind.LANGUAGE)))

    @router.message(Command("stop"))
    async def stop(message: Message, handling: Handling) -> None:
        handling.say(await service.wishes.stop(handling.of(message)))

    @router.message(Command("privacy"))
    async def privacy(message: Message, handling: Handling) -> None:
        handling.say(await service.wishes.say(handling.of(message), Kind.PRIVACY))

    return router


def content(service: UseCases) -> Router:
    """Contacts, codes, taps, and everything else, which gets help."""
    router = Router(name="content")
    router.message.filter(PRIVATE)

    @router.callback_query(F.data.in_(LANGUAGE_BUTTONS))
    async def language(query: CallbackQuery, handling: Handling) -> None:
        chosen = LANGUAGES[(query.data or "").removeprefix("l:")]
        handling.say(await service.wishes.language(handling.tapped(query), chosen, query.id))

    @router.callback_query()
    async def tap(query: CallbackQuery, handling: Handling) -> None:
        message = query.message
        own = message is not None and message.chat.id == query.from_user.id
        pressed = Tap(query.id, query.data, message.message_id if message and own else None)
        handling.say(await service.answering.tap(handling.tapped(query), pressed))

    @router.message(F.contact)
    async def contact(message: Message, handling: Handling) -> None:
        turn = handling.of(message)
        handling.say(await service.linking.share(turn, contact_of(message), message.date))

    @router.message(F.text & ~F.text.startswith("/"))
    async def text(message: Message, handling: Handling) -> None:
        handling.say(await service.answering.write(handling.of(message), message.text or ""))

    @router.message()
    async def anything(message: Message, handling: Handling) -> None:
        handling.say(await service.wishes.say(handling.of(message), Kind.HELP))

    return router


def rooms(service: UseCases) -> Router:
    """Groups: whoever speaks to the bot there is sent to the private chat; events of the group are passed over."""
    router = Router(name="rooms")

    @router.message(F.text | F.photo | F.sticker | F.contact)
    async def private_only(message: Message, handling: Handling) -> None:
        handling.say(await service.wishes.say(handling.of(message), Kind.PRIVATE_ONLY))

    @router.message()
    async def elsewhere(_: Message) -> None:
        return None

    return router


def contact_of(message: Message) -> SharedContact:
    """The contact of a message, with what tells an own one from others. Telegram writes the number without a plus."""
    contact, sender = message.contact, message.from_user
    if contact is None or sender is None:
        raise AssertionError("only messages with a contact and a sender come here")
    return SharedContact(
        sender=sender.id,
        owner=contact.user_id,
        private=message.chat.type == "private",
        forwarded=message.forward_origin is not None,
        via_bot=message.via_bot is not None,
        phone=f"+{contact.phone_number.lstrip('+')}",
    )
