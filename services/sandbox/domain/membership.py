"""Who is in which channel: the bot's rights, joining, leaving, join requests, and the updates they cause."""

from services.sandbox.domain.chats import Account, Chat, Invite, Json, Membership, invite_api
from services.sandbox.domain.failures import LinkClosed, UnknownChat
from services.sandbox.domain.telegram import Telegram

WRITE_AFTER_REQUEST = 300.0
"""Seconds in which the bot may write to somebody who asked to join (Bot API, ChatJoinRequest)."""


def is_inside(chat: Chat, account: Account) -> bool:
    """True while somebody is a member in any role."""
    return chat.members.get(account.id, Membership()).status in {"member", "administrator", "creator"}


def set_bot(tg: Telegram, chat: Chat, new: Membership, now: float, *, by: Account) -> None:
    """Give the bot a new place in a chat; it is told by my_chat_member."""
    old, chat.bot = chat.bot, new
    content = change(chat, by, tg.bot, old, new, now=now)
    tg.updates.add("my_chat_member", content, now)
    tg.changed(chat)
    tg.touch("updates")


def change(chat: Chat, by: Account, of: Account, old: Membership, new: Membership, *, now: float) -> Json:
    """The `ChatMemberUpdated` object."""
    return {
        "chat": chat.api(),
        "from": by.api(),
        "date": int(now),
        "old_chat_member": old.api(of),
        "new_chat_member": new.api(of),
    }


def admit(
    tg: Telegram, chat: Chat, account: Account, now: float, invite: Invite | None, *, by: Account, request: bool = False
) -> None:
    """Make somebody a member; the bot is told by chat_member when it is administrator and asked for that kind."""
    old = chat.members.get(account.id, Membership())
    chat.members[account.id] = new = Membership("member")
    chat.requests.pop(account.id, None)
    account.open_until = 0.0
    if invite:
        invite.joined.add(account.id)
    tell(tg, chat, change(chat, by, account, old, new, now=now), now, invite, request=request)


def tell(tg: Telegram, chat: Chat, content: Json, now: float, invite: Invite | None, *, request: bool = False) -> None:
    """Queue a chat_member update, with the link that was used."""
    if invite:
        content["invite_link"] = invite_api(invite, tg.bot)
    if request:
        content["via_join_request"] = True
    if chat.bot.status == "administrator":
        tg.updates.add("chat_member", content, now)
    tg.changed(chat)
    tg.touch("updates")


def join(tg: Telegram, account: Account, now: float, *, chat: Chat | None = None, url: str = "") -> str:
    """Join by invite link, or a chat directly. Returns "member" or "requested"; raises UnknownChat, LinkClosed."""
    if not url:
        if chat is None:
            raise UnknownChat
        admit(tg, chat, account, now, None, by=account)
        return "member"
    chat, invite = find_link(tg, url)
    full = invite.member_limit and sum(is_inside(chat, tg.accounts[i]) for i in invite.joined) >= invite.member_limit
    if invite.revoked or full or (invite.expire_date and now >= invite.expire_date):
        raise LinkClosed
    if not invite.joins_by_request:
        admit(tg, chat, account, now, invite, by=account)
        return "member"
    ask(tg, chat, account, invite, now)
    return "requested"


def find_link(tg: Telegram, url: str) -> tuple[Chat, Invite]:
    """The chat and link of an invite URL; raises UnknownChat."""
    for chat in tg.chats.values():
        if url in chat.invites:
            return chat, chat.invites[url]
    raise UnknownChat


def ask(tg: Telegram, chat: Chat, account: Account, invite: Invite, now: float) -> None:
    """Ask to join; the bot may write to the person for five minutes."""
    chat.requests[account.id] = invite
    account.open_until = now + WRITE_AFTER_REQUEST
    content = {
        "chat": chat.api(),
        "from": account.api(),
        "user_chat_id": account.id,
        "date": int(now),
        "invite_link": invite_api(invite, tg.bot),
    }
    if chat.bot.status == "administrator":
        tg.updates.add("chat_join_request", content, now)
    tg.changed(chat)
    tg.touch("updates")


def leave(tg: Telegram, chat: Chat, account: Account, now: float) -> None:
    """Leave a channel; nothing happens to somebody who is not in it."""
    if not is_inside(chat, account):
        return
    old, new = chat.members[account.id], Membership("left")
    chat.members[account.id] = new
    tell(tg, chat, change(chat, account, account, old, new, now=now), now, None)
