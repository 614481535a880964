"""Bot API methods about chats, their members, invite links and join requests."""

from services.sandbox.domain import membership
from services.sandbox.domain.chats import Account, Chat, Invite, Json, Membership, invite_api
from services.sandbox.domain.failures import bad_request
from services.sandbox.domain.params import Params
from services.sandbox.domain.telegram import Telegram

INVITES_KEPT = 500
GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")


def get_chat(tg: Telegram, params: Params, _now: float) -> Json:
    """getChat: ChatFullInfo with its mandatory fields."""
    chat = tg.chat(params.text("chat_id"))
    if not chat.person:
        tg.inside(chat)
    gifts = dict.fromkeys(GIFTS, False)
    return chat.api() | {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": gifts}


def get_member(tg: Telegram, params: Params, _now: float) -> Json:
    """getChatMember, of the bot or of a person."""
    chat, user_id = known(tg, params), params.identifier("user_id", "invalid user_id specified")
    if user_id == tg.bot.id:
        return chat.bot.api(tg.bot)
    account = person(tg, user_id)
    return chat.members.get(user_id, Membership()).api(account)


def member_count(tg: Telegram, params: Params, _now: float) -> int:
    """getChatMemberCount."""
    return known(tg, params).member_count()


def known(tg: Telegram, params: Params) -> Chat:
    """A channel or group that the bot is in."""
    chat = tg.chat(params.text("chat_id"))
    if chat.person:
        raise bad_request("there are no members in a private chat")
    tg.inside(chat)
    return chat


def person(tg: Telegram, user_id: int) -> Account:
    """An account; raises BotApiRefusal."""
    account = tg.accounts.get(user_id)
    if account is None:
        raise bad_request("user not found")
    return account


def inviting(tg: Telegram, params: Params) -> Chat:
    """A chat in which the bot may manage invite links and requests."""
    chat = known(tg, params)
    if "can_invite_users" not in chat.bot.rights:
        raise bad_request("not enough rights to manage chat invite link")
    return chat


def create_link(tg: Telegram, params: Params, _now: float) -> Json:
    """createChatInviteLink; a name longer than 32 characters is cut, as the server does."""
    chat = inviting(tg, params)
    invite = Invite(f"https://t.me/+sandbox{tg.number():06d}", "", joins_by_request=False)
    configure(invite, params)
    chat.invites[invite.url] = invite
    while len(chat.invites) > INVITES_KEPT:
        del chat.invites[next(iter(chat.invites))]
    tg.changed(chat)
    return invite_api(invite, tg.bot)


def configure(invite: Invite, params: Params) -> None:
    """Read a link's name, limits and kind from a call; raises BotApiRefusal."""
    by_request, limit = params.flag("creates_join_request"), params.integer("member_limit")
    if by_request and limit:
        raise bad_request("member limit can't be specified for links requiring administrator approval")
    invite.name, invite.joins_by_request = params.text("name")[:32], by_request
    invite.member_limit, invite.expire_date = min(max(limit, 0), 99_999), params.integer("expire_date")


def link(tg: Telegram, params: Params) -> tuple[Chat, Invite]:
    """The chat and the link that a call names; raises BotApiRefusal."""
    chat = inviting(tg, params)
    invite = chat.invites.get(params.text("invite_link"))
    if invite is None:
        raise bad_request("INVITE_HASH_EXPIRED")
    return chat, invite


def edit_link(tg: Telegram, params: Params, _now: float) -> Json:
    """editChatInviteLink."""
    _chat, invite = link(tg, params)
    configure(invite, params)
    return invite_api(invite, tg.bot)


def revoke_link(tg: Telegram, params: Params, _now: float) -> Json:
    """revokeChatInviteLink."""
    _chat, invite = link(tg, params)
    invite.revoked = True
    return invite_api(invite, tg.bot)


def approve(tg: Telegram, params: Params, now: float) -> bool:
    """approveChatJoinRequest: the requester becomes a member."""
    chat, account, invite = request(tg, params)
    membership.admit(tg, chat, account, now, invite, by=tg.bot, request=True)
    return True


def decline(tg: Telegram, params: Params, _now: float) -> bool:
    """declineChatJoinRequest."""
    chat, account, _invite = request(tg, params)
    account.open_until = 0.0
    tg.changed(chat)
    return True


def request(tg: Telegram, params: Params) -> tuple[Chat, Account, Invite]:
    """Take the pending join request that a call names; raises BotApiRefusal."""
    chat = inviting(tg, params)
    account = person(tg, params.identifier("user_id", "invalid user_id specified"))
    if membership.is_inside(chat, account):
        raise bad_request("USER_ALREADY_PARTICIPANT")
    invite = chat.requests.pop(account.id, None)
    if invite is None:
        raise bad_request("HIDE_REQUESTER_MISSING")
    return chat, account, invite


def leave(tg: Telegram, params: Params, now: float) -> bool:
    """leaveChat."""
    chat = known(tg, params)
    membership.set_bot(tg, chat, Membership("left"), now, by=tg.bot)
    return True
