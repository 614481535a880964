"""The phones on a page: chat, SMS and channel, each as a part of a page that the script can fetch again."""

from collections.abc import Iterable
from itertools import groupby

from fastapi import APIRouter, Request, Response

from services.sandbox.api.pages.view import View, moment
from services.sandbox.domain.carrier import Phone, Sms
from services.sandbox.domain.chats import Chat, Message
from services.sandbox.domain.failures import NoTelegram, UnknownChat
from services.sandbox.domain.world import World
from services.sandbox.service.sandbox import Sandbox
from shared.i18n import IST

SHOWN = 40
"""Messages that a panel shows; the control API has the rest."""


def routes(sandbox: Sandbox, view: View) -> APIRouter:
    """/panel/..."""
    router = APIRouter(prefix="/panel", route_class=view.route_class())

    @router.get("/chat/{phone}")
    async def chat(request: Request, phone: str, back: str = "/") -> Response:
        found = sandbox.world.phone(phone)
        return view.page(request, "chat.html", {"panel": chat_panel(sandbox.world, found), "back": back})

    @router.get("/sms/{phone}")
    async def sms(request: Request, phone: str, back: str = "/") -> Response:
        return view.page(request, "sms.html", {"panel": sms_panel(sandbox.world.phone(phone)), "back": back})

    @router.get("/channel/{chat_id}")
    async def channel(request: Request, chat_id: int) -> Response:
        return view.page(request, "channel.html", {"panel": channel_panel(sandbox.world, chat_id), "back": "/"})

    return router


def chat_panel(world: World, phone: Phone) -> dict[str, object]:
    """What the chat of a phone shows; raises NoTelegram."""
    if phone.account is None:
        raise NoTelegram
    chat = world.telegram.chats[phone.account.id]
    visible = [m for m in chat.messages if not m.deleted][-SHOWN:]
    name = world.telegram.texts.get(f"name:{phone.language}") or world.telegram.bot.first_name
    return {"kind": "chat", "phone": phone, "chat": chat, "days": days(visible), "bot": name}


def sms_panel(phone: Phone) -> dict[str, object]:
    """What the SMS of a phone show: sender header as the handset shows it, and messages."""
    received = [s for s in phone.inbox if not s.inbound]
    sender = received[-1].sender if received else ""
    header = f"{sender}-T" if sender and not sender.startswith(("+", "MG")) else sender
    return {"kind": "sms", "phone": phone, "header": header, "days": days(list(phone.inbox)[-SHOWN:])}


def channel_panel(world: World, chat_id: int) -> dict[str, object]:
    """What a channel shows; raises UnknownChat."""
    chat = world.telegram.chats.get(chat_id)
    if chat is None or chat.person:
        raise UnknownChat
    visible = [m for m in chat.messages if not m.deleted][-SHOWN:]
    return {"kind": "channel", "chat": chat, "days": days(visible)}


def days(messages: Iterable[Message | Sms]) -> list[tuple[float, list[Message | Sms]]]:
    """Messages by the day (IST) on which they were sent, each day with its first time."""
    groups = groupby(messages, key=lambda m: moment(at(m)).astimezone(IST).date())
    listed = [list(group) for _, group in groups]
    return [(at(group[0]), group) for group in listed]


def at(message: Message | Sms) -> float:
    """When a message was sent."""
    return message.at if isinstance(message, Sms) else message.date


def last_seen(world: World, phone: Phone) -> tuple[float, int]:
    """When something last happened on a phone, for sorting: time and order within it."""
    newest: list[Message | Sms] = [*list(phone.inbox)[-1:]]
    if phone.account:
        newest += list(world.telegram.chats[phone.account.id].messages)[-1:]
    return max(((at(m), m.seq) for m in newest), default=(0.0, 0))


def last_chat(world: World) -> Chat | None:
    """The channel in which something was posted last."""
    rooms = [c for c in world.telegram.chats.values() if not c.person]
    return max(rooms, key=lambda c: c.messages[-1].seq if c.messages else 0, default=None)
