"""Control of channels and groups."""

from fastapi import APIRouter

from services.sandbox.api.control.bodies import BotPlace, RoomIn
from services.sandbox.api.control.views import ChatOut, Done
from services.sandbox.domain import membership
from services.sandbox.domain.chats import Chat, Membership
from services.sandbox.domain.failures import UnknownChat
from services.sandbox.domain.world import World
from services.sandbox.service.sandbox import Sandbox


def routes(sandbox: Sandbox) -> APIRouter:
    """/control/channels."""
    router = APIRouter(prefix="/channels", tags=["channels"])

    @router.post("", status_code=201)
    async def create(body: RoomIn) -> ChatOut:
        return ChatOut.of(open_room(sandbox.world, body, sandbox.now()))

    @router.get("")
    async def listed() -> list[ChatOut]:
        return [ChatOut.of(c) for c in sandbox.world.telegram.chats.values() if not c.person]

    @router.get("/{chat_id}")
    async def show(chat_id: int) -> ChatOut:
        return ChatOut.of(room(sandbox, chat_id))

    @router.put("/{chat_id}/bot")
    async def bot(chat_id: int, body: BotPlace) -> ChatOut:
        chat = room(sandbox, chat_id)
        membership.set_bot(sandbox.world.telegram, chat, place(body), sandbox.now(), by=chat.owner)
        return ChatOut.of(chat)

    @router.post("/{chat_id}/migrate")
    async def migrate(chat_id: int) -> Done:
        world, old = sandbox.world, room(sandbox, chat_id)
        new = world.telegram.room("supergroup", old.title)
        new.bot, old.migrated_to = Membership("member"), new.id
        return Done(result=str(new.id))

    return router


def room(sandbox: Sandbox, chat_id: int) -> Chat:
    """The channel or group with this id; raises UnknownChat."""
    chat = sandbox.world.telegram.chats.get(chat_id)
    if chat is None or chat.person:
        raise UnknownChat
    return chat


def open_room(world: World, body: RoomIn, now: float) -> Chat:
    """Create a channel with the bot in its place."""
    chat = world.telegram.room(body.kind, body.title, body.username, chat_id=body.chat_id or 0)
    if body.bot != "left":
        membership.set_bot(world.telegram, chat, place(body), now, by=chat.owner)
    return chat


def place(body: RoomIn | BotPlace) -> Membership:
    """The bot's membership that a body asks for."""
    status = body.bot if isinstance(body, RoomIn) else body.status
    if status != "administrator":
        return Membership(status)
    rights = {"can_manage_chat"}
    rights |= {"can_post_messages"} if body.can_post_messages else set()
    rights |= {"can_invite_users"} if body.can_invite_users else set()
    return Membership(status, frozenset(rights))
