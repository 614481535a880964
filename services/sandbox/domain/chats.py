"""Accounts, chats and messages of the sandbox's Telegram, and how the Bot API spells them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.sandbox.domain.keyboards import Rows

Json = dict[str, Any]
MESSAGES_KEPT = 200
"""Messages one chat remembers; older ones are forgotten, so that a long run does not grow."""

ADMIN_RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories",
    "can_delete_stories", "can_send_welcome_messages", "can_post_messages", "can_edit_messages",
)  # fmt: skip


@dataclass(slots=True)
class Account:
    """One Telegram account: a person's, or the bot's."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language: str = ""
    phone: str = ""
    is_bot: bool = False
    started: bool = False
    blocked: bool = False
    deleted: bool = False
    open_until: float = 0.0  # a join request lets the bot write until then (Bot API: 5 minutes)

    def api(self) -> Json:
        """The `User` object."""
        user: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        optional = {"last_name": self.last_name, "username": self.username, "language_code": self.language}
        return user | {k: v for k, v in optional.items() if v}


@dataclass(slots=True)
class Message:
    """One message; `content` holds contact, photo, document or forward_origin as the Bot API spells them."""

    seq: int
    id: int
    date: float
    sender: Account | None
    mine: bool  # by the bot
    text: str = ""
    entities: list[Json] = field(default_factory=list)
    inline: Rows = field(default_factory=list)
    content: Json = field(default_factory=dict)
    edited: float | None = None
    deleted: bool = False


@dataclass(slots=True)
class Invite:
    """An invite link of a chat."""

    url: str
    name: str
    joins_by_request: bool
    expire_date: int = 0
    member_limit: int = 0
    revoked: bool = False
    joined: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Membership:
    """What somebody is in a chat: left, member, administrator (with rights), creator or kicked."""

    status: str = "left"
    rights: frozenset[str] = frozenset()

    def api(self, user: Account) -> Json:
        """The `ChatMember` object with the fields that its status makes mandatory."""
        member: Json = {"status": self.status, "user": user.api()}
        if self.status == "administrator":
            return (
                member | {"can_be_edited": False, "is_anonymous": False} | {r: r in self.rights for r in ADMIN_RIGHTS}
            )
        if self.status == "creator":
            return member | {"is_anonymous": False}
        return member | ({"until_date": 0} if self.status == "kicked" else {})


@dataclass(slots=True)
class Chat:
    """A private chat with the bot (id = the account's), a channel or a group."""

    id: int
    type: str
    title: str = ""
    username: str = ""
    owner: Account = field(default_factory=lambda: Account(777_000_001, "Sandbox"))
    person: Account | None = None
    bot: Membership = field(default_factory=Membership)
    members: dict[int, Membership] = field(default_factory=dict)
    requests: dict[int, Invite] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MESSAGES_KEPT))
    last_id: int = 0
    reply_keyboard: Rows | None = None
    migrated_to: int = 0
    action: str = ""
    toast: str = ""

    def api(self) -> Json:
        """The `Chat` object."""
        if self.person:
            person = self.person.api()
            names: Json = {k: person[k] for k in ("first_name", "last_name", "username") if k in person}
            return {"id": self.id, "type": "private"} | names
        return {"id": self.id, "type": self.type, "title": self.title} | (
            {"username": self.username} if self.username else {}
        )

    def message(self, message_id: int) -> Message | None:
        """The message with this id unless it is deleted or forgotten."""
        return next((m for m in reversed(self.messages) if m.id == message_id and not m.deleted), None)

    def member_count(self) -> int:
        """Members including the bot and the owner."""
        inside = {"member", "administrator", "creator"}
        return sum(m.status in inside for m in self.members.values()) + (self.bot.status in inside)


def message_api(chat: Chat, message: Message, bot: Account) -> Json:
    """The `Message` object. A reply keyboard is never echoed; a channel post has sender_chat and no from."""
    body: Json = {"message_id": message.id, "date": int(message.date), "chat": chat.api()}
    if chat.type == "channel":
        body["sender_chat"] = chat.api()
    elif message.mine:
        body["from"] = bot.api()
    elif message.sender:
        body["from"] = message.sender.api()
    if message.edited is not None:
        body["edit_date"] = int(message.edited)
    caption = "photo" in message.content or "document" in message.content
    if message.text:
        body["caption" if caption else "text"] = message.text
    if message.entities:
        body["caption_entities" if caption else "entities"] = message.entities
    if message.inline:
        body["reply_markup"] = {"inline_keyboard": message.inline}
    return body | message.content


def invite_api(invite: Invite, creator: Account) -> Json:
    """The `ChatInviteLink` object."""
    body: Json = {
        "invite_link": invite.url,
        "creator": creator.api(),
        "creates_join_request": invite.joins_by_request,
        "is_primary": False,
        "is_revoked": invite.revoked,
    }
    optional: Mapping[str, str | int] = {
        "name": invite.name,
        "expire_date": invite.expire_date,
        "member_limit": invite.member_limit,
    }
    return body | {k: v for k, v in optional.items() if v}
