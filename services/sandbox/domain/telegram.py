"""State of the sandbox's Telegram: one bot, its people, chats, updates and callback queries."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from services.sandbox.domain.chats import Account, Chat, Message, message_api
from services.sandbox.domain.failures import BotApiRefusal, TooManyPhones, bad_request, forbidden
from services.sandbox.domain.updates import Updates

Json = dict[str, Any]
QUERY_LIFE = 150.0
"""Seconds in which a callback query may be answered (Bot API server)."""
QUERIES_KEPT = 2_000
ROOMS_KEPT = 5_000
FIRST_PERSON = 100_000_000
FIRST_CHANNEL = -1_001_000_000_001
FIRST_GROUP = -400_000_001


@dataclass(slots=True)
class Query:
    """A tap on an inline button that waits for its answer."""

    chat: Chat
    at: float
    answered: bool = False


@dataclass(slots=True)
class Webhook:
    """Where updates are pushed instead of being polled."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    last_error_date: int = 0
    last_error: str = ""
    set_at: float = 0.0


class Telegram:
    """Looks up, creates and changes; `touch(key)` tells watchers which chat changed, `number()` counts messages."""

    def __init__(
        self, username: str, touch: Callable[[str], None], number: Callable[[], int], *, first_update: int = 1
    ) -> None:
        self.bot = Account(7_000_000_001, "Boothline", username=username, is_bot=True)
        self.touch, self.number = touch, number
        self.accounts: dict[int, Account] = {}
        self.chats: dict[int, Chat] = {}
        self.updates = Updates(first_update)
        self.webhook = Webhook()
        self.queries: OrderedDict[str, Query] = OrderedDict()
        self.commands: dict[str, list[Json]] = {}
        self.texts: dict[str, str] = {}
        self.counter = 0

    def account(self, *, first_name: str, last_name: str, username: str, language: str, phone: str) -> Account:
        """A new account; its private chat exists but the bot may not write there before Start is pressed.

        The id follows from the phone, so that links which the bot remembers survive a restart of the sandbox, but
        does not show it: nine digits, while a phone has at least ten here.
        """
        account_id = FIRST_PERSON + crc32(phone.encode()) % 800_000_000
        while account_id in self.accounts:
            account_id += 1
        account = Account(account_id, first_name, last_name, username, language, phone)
        self.accounts[account.id] = account
        self.chats[account.id] = Chat(account.id, "private", person=account)
        return account

    def room(self, kind: str, title: str, username: str = "", *, chat_id: int = 0) -> Chat:
        """A new channel, group or supergroup with its owner and without the bot; the id may be chosen."""
        if sum(not c.person for c in self.chats.values()) >= ROOMS_KEPT:
            raise TooManyPhones
        chat_id = chat_id or (FIRST_GROUP if kind == "group" else FIRST_CHANNEL)
        while chat_id in self.chats:
            chat_id -= 1
        chat = self.chats[chat_id] = Chat(chat_id, kind, title, username)
        self.touch(f"channel:{chat_id}")
        return chat

    def chat(self, chat_id: str) -> Chat:
        """The chat that a call names by id or @username; raises BotApiRefusal `chat not found`."""
        if not chat_id:
            raise bad_request("chat_id is empty")
        if chat_id.startswith("@"):
            found = next((c for c in self.chats.values() if c.username and f"@{c.username}" == chat_id), None)
        else:
            found = self.chats.get(int(chat_id)) if chat_id.lstrip("-").isdigit() else None
        if found is None:
            raise bad_request("chat not found")
        return found

    def writable(self, chat_id: str, now: float, right: str = "can_post_messages") -> Chat:
        """The chat, if the bot may write there now; raises the BotApiRefusal that the server would answer."""
        chat = self.chat(chat_id)
        if chat.person:
            self._check_person(chat.person, now)
            return chat
        if chat.migrated_to:
            raise bad_request("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to)
        self.inside(chat)
        if chat.type == "channel" and right not in chat.bot.rights:
            raise bad_request("need administrator rights in the channel chat")
        return chat

    def inside(self, chat: Chat) -> None:
        """Raises the BotApiRefusal for a bot that is not in this chat."""
        if chat.bot.status == "kicked":
            raise forbidden(f"bot was kicked from the {chat.type} chat")
        if chat.bot.status == "left":
            raise forbidden(f"bot is not a member of the {chat.type} chat")

    def _check_person(self, person: Account, now: float) -> None:
        if person.deleted:
            raise forbidden("user is deactivated")
        if person.blocked:
            raise forbidden("bot was blocked by the user")
        if not person.started and now > person.open_until:
            raise forbidden("bot can't initiate conversation with a user")

    def put(self, chat: Chat, now: float, *, sender: Account | None, **fields: Any) -> Message:
        """Add a message to a chat; `sender` None is the bot."""
        if chat.type == "private":  # one counter for all private chats and groups, one per channel
            self.counter += 1
            message_id = self.counter
        else:
            chat.last_id += 1
            message_id = chat.last_id
        message = Message(self.number(), message_id, now, sender, sender is None, **fields)
        chat.messages.append(message)
        self.changed(chat)
        return message

    def changed(self, chat: Chat) -> None:
        """Tell watchers that this chat looks different now."""
        self.touch(f"chat:{chat.person.phone}" if chat.person else f"channel:{chat.id}")

    def show(self, chat: Chat, message: Message) -> Json:
        """The `Message` object as the bot sees it."""
        return message_api(chat, message, self.bot)

    def query(self, query_id: str, now: float) -> Query:
        """The unanswered query of a tap at most 150 s ago; raises BotApiRefusal otherwise."""
        query = self.queries.get(query_id)
        if query is None or query.answered or now - query.at > QUERY_LIFE:
            raise too_old()
        return query

    def remember(self, query_id: str, query: Query) -> None:
        """Keep a query; the oldest is forgotten when there are too many."""
        self.queries[query_id] = query
        while len(self.queries) > QUERIES_KEPT:
            self.queries.popitem(last=False)


def too_old() -> BotApiRefusal:
    """The refusal for a query that is answered, old or invented."""
    return bad_request("query is too old and response timeout expired or query ID is invalid")
