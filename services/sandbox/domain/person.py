"""What a person does in the chat with the bot, and the updates it causes."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from services.sandbox.domain.chats import Account, Chat, Json, Membership, Message
from services.sandbox.domain.failures import NoSuchButton, NoTelegram
from services.sandbox.domain.markup import commands
from services.sandbox.domain.membership import change
from services.sandbox.domain.telegram import Query, Telegram


class ContactKind(StrEnum):
    """Which contact a person shares."""

    OWN = "own"  # by the button: Telegram fills in number and user id
    OTHER = "other"  # somebody else's, with that account's user id
    FORGED = "forged"  # a card typed in: any number, no user id
    FORWARDED = "forwarded"  # an own contact, forwarded: it may carry an old number


def chat_of(tg: Telegram, account: Account) -> Chat:
    """The private chat of an account; raises NoTelegram for a deleted one."""
    if account.deleted:
        raise NoTelegram
    return tg.chats[account.id]


def send(tg: Telegram, account: Account, now: float, *, text: str = "", content: Json | None = None) -> Message:
    """Send a message to the bot. Writing to a blocked bot unblocks it, as Telegram's clients do."""
    chat = chat_of(tg, account)
    if account.blocked:
        set_blocked(tg, account, now, blocked=False)
    account.started = True
    chat.toast = ""
    message = tg.put(chat, now, sender=account, text=text, entities=commands(text), content=content or {})
    tg.updates.add("message", tg.show(chat, message), now)
    tg.touch("updates")
    return message


def start(tg: Telegram, account: Account, now: float, payload: str = "") -> Message:
    """Press Start, with the payload of a t.me link or without."""
    return send(tg, account, now, text=f"/start {payload}".rstrip())


def contact(tg: Telegram, account: Account, now: float, kind: ContactKind, other: Json) -> Message:
    """Share a contact. `other` holds phone_number, first_name and user_id of what is not the own contact."""
    own: Json = {"phone_number": account.phone.lstrip("+"), "first_name": account.first_name, "user_id": account.id}
    body: Json = {"contact": own if kind is ContactKind.OWN else own | other}
    if kind is ContactKind.FORGED:
        body["contact"].pop("user_id")
    if kind is ContactKind.FORWARDED:
        body["forward_origin"] = {"type": "user", "date": int(now), "sender_user": account.api()}
    elif kind is ContactKind.OWN:
        tg.chats[account.id].reply_keyboard = None  # our clients fold it away once the number is shared
    return send(tg, account, now, content=body)


def claimed(kind: ContactKind, phone: str | None, account: Callable[[str], Account]) -> Json:
    """What a contact claims beside the sender's own data; `account` finds the owner of another one."""
    if phone is None:
        return {}
    if kind is ContactKind.OTHER:
        owner = account(phone)
        return {"phone_number": owner.phone.lstrip("+"), "first_name": owner.first_name, "user_id": owner.id}
    return {"phone_number": phone.strip().lstrip("+")}


def find_button(chat: Chat, *, label: str | None, data: str | None, message_id: int | None) -> tuple[Message, Json]:
    """The newest inline button with this label or data; raises NoSuchButton."""
    for message in reversed(chat.messages):
        if message.deleted or message_id not in {None, message.id}:
            continue
        for button in (b for row in message.inline for b in row):
            if label in {None, button["text"]} and data in {None, button.get("callback_data")}:
                return message, button
    raise NoSuchButton


def tap(tg: Telegram, account: Account, now: float, message: Message, data: str, *, chat: Chat | None = None) -> str:
    """Tap a button that carries `data` (which a modified client may have invented). Returns the query's id."""
    chat = chat or chat_of(tg, account)
    query_id = f"{account.id}{tg.number():08d}"
    tg.remember(query_id, Query(chat, now))
    chat.toast = ""
    query: dict[str, Any] = {
        "id": query_id,
        "from": account.api(),
        "chat_instance": f"sandbox{abs(chat.id)}",
        "message": tg.show(chat, message),
        "data": data,
    }
    tg.updates.add("callback_query", query, now)
    tg.changed(chat)
    tg.touch("updates")
    return query_id


def set_blocked(tg: Telegram, account: Account, now: float, *, blocked: bool) -> None:
    """Block or unblock the bot; the bot is told by my_chat_member. Repeating it changes nothing."""
    chat = chat_of(tg, account)
    if account.blocked == blocked:
        return
    account.blocked = blocked
    member, kicked = Membership("member"), Membership("kicked")
    old, new = (member, kicked) if blocked else (kicked, member)
    tg.updates.add("my_chat_member", change(chat, account, tg.bot, old, new, now=now), now)
    tg.changed(chat)
    tg.touch("updates")


def delete_account(tg: Telegram, account: Account) -> None:
    """Delete the account: the bot hears nothing and is refused from now on."""
    account.deleted = True
    tg.changed(tg.chats[account.id])
