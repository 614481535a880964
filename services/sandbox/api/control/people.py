"""Control of phones and of the people who hold them."""

from fastapi import APIRouter, Query

from services.sandbox.api.control.bodies import ContactIn, Join, Leave, PhoneChange, PhoneIn, Reply, Start, Tap, Text
from services.sandbox.api.control.views import ChatOut, CodeOut, Done, InboxOut, MessageOut, PhoneOut, SmsOut
from services.sandbox.domain import membership, person
from services.sandbox.domain.failures import UnknownChat
from services.sandbox.service.sandbox import Sandbox


def routes(sandbox: Sandbox) -> APIRouter:
    """/control/phones."""
    router = APIRouter(prefix="/phones", tags=["phones"])
    register(router, sandbox)
    telegram(router, sandbox)
    reach(router, sandbox)
    sms(router, sandbox)
    return router


def register(router: APIRouter, sandbox: Sandbox) -> None:
    """Create, list, show and change phones."""

    @router.post("", status_code=201)
    async def create(body: PhoneIn) -> PhoneOut:
        fields = body.model_dump(exclude={"phone"})
        return PhoneOut.of(sandbox.world.create(body.phone, **fields))

    @router.get("")
    async def listed(limit: int = Query(100, ge=1, le=1000), offset: int = Query(0, ge=0)) -> list[PhoneOut]:
        return [PhoneOut.of(p) for p in list(sandbox.world.phones.values())[offset : offset + limit]]

    @router.get("/{phone}")
    async def show(phone: str) -> PhoneOut:
        return PhoneOut.of(sandbox.world.phone(phone))

    @router.patch("/{phone}")
    async def change(phone: str, body: PhoneChange) -> PhoneOut:
        found = sandbox.world.phone(phone)
        for name in body.model_fields_set:
            if name == "receipts" or getattr(body, name) is not None:
                setattr(found, name, getattr(body, name))
        sandbox.changes.touch(f"sms:{found.number}")
        return PhoneOut.of(found)


def telegram(router: APIRouter, sandbox: Sandbox) -> None:
    """What a person does in Telegram."""

    @router.post("/{phone}/start")
    async def start(phone: str, body: Start) -> MessageOut:
        world = sandbox.world
        return MessageOut.of(person.start(world.telegram, world.account(phone), sandbox.now(), body.payload))

    @router.post("/{phone}/text")
    async def text(phone: str, body: Text) -> MessageOut:
        world = sandbox.world
        return MessageOut.of(person.send(world.telegram, world.account(phone), sandbox.now(), text=body.text))

    @router.post("/{phone}/contact")
    async def contact(phone: str, body: ContactIn) -> MessageOut:
        world, account = sandbox.world, sandbox.world.account(phone)
        other = person.claimed(body.kind, body.phone, world.account)
        return MessageOut.of(person.contact(world.telegram, account, sandbox.now(), body.kind, other))

    @router.post("/{phone}/tap")
    async def tap(phone: str, body: Tap) -> Done:
        world, account = sandbox.world, sandbox.world.account(phone)
        chat = world.telegram.chats[world.account(body.chat_of).id if body.chat_of else account.id]
        message, button = person.find_button(chat, label=body.label, data=body.data, message_id=body.message_id)
        data = body.forged_data or button.get("callback_data", "")
        return Done(result=person.tap(world.telegram, account, sandbox.now(), message, data, chat=chat))


def reach(router: APIRouter, sandbox: Sandbox) -> None:
    """Blocking, deleting, joining and leaving."""

    @router.post("/{phone}/block")
    async def block(phone: str) -> PhoneOut:
        return blocked(phone, blocked=True)

    @router.post("/{phone}/unblock")
    async def unblock(phone: str) -> PhoneOut:
        return blocked(phone, blocked=False)

    def blocked(phone: str, *, blocked: bool) -> PhoneOut:
        world = sandbox.world
        person.set_blocked(world.telegram, world.account(phone), sandbox.now(), blocked=blocked)
        return PhoneOut.of(world.phone(phone))

    @router.post("/{phone}/delete-account")
    async def delete_account(phone: str) -> PhoneOut:
        person.delete_account(sandbox.world.telegram, sandbox.world.account(phone))
        return PhoneOut.of(sandbox.world.phone(phone))

    @router.post("/{phone}/join")
    async def join(phone: str, body: Join) -> Done:
        world, account = sandbox.world, sandbox.world.account(phone)
        chat = world.telegram.chats.get(body.chat_id) if body.chat_id is not None else None
        return Done(result=membership.join(world.telegram, account, sandbox.now(), chat=chat, url=body.link))

    @router.post("/{phone}/leave")
    async def leave(phone: str, body: Leave) -> Done:
        world, account = sandbox.world, sandbox.world.account(phone)
        chat = world.telegram.chats.get(body.chat_id)
        if chat is None:
            raise UnknownChat
        membership.leave(world.telegram, chat, account, sandbox.now())
        return Done(result="left")

    @router.get("/{phone}/chat")
    async def chat(phone: str) -> ChatOut:
        return ChatOut.of(sandbox.world.telegram.chats[sandbox.world.account(phone).id])


def sms(router: APIRouter, sandbox: Sandbox) -> None:
    """The SMS and the Gateway codes of a phone."""

    @router.get("/{phone}/sms")
    async def inbox(phone: str) -> InboxOut:
        messages = [SmsOut.of(s) for s in sandbox.world.phone(phone).inbox]
        return InboxOut(messages=messages, latest=next((s for s in reversed(messages) if not s.inbound), None))

    @router.get("/{phone}/codes")
    async def codes(phone: str) -> list[CodeOut]:
        """Codes that the Telegram Gateway delivered to this phone, oldest first."""
        number = sandbox.world.phone(phone).number
        found = [r for r in sandbox.world.gateway.requests.values() if r.phone == number and r.code]
        return [
            CodeOut(request_id=r.id, at=r.at, code=r.code, delivery=r.delivery, verification=r.verification)
            for r in found
        ]

    @router.post("/{phone}/reply")
    async def reply(phone: str, body: Reply) -> SmsOut:
        return SmsOut.of(await sandbox.messages.answer(sandbox.world.phone(phone), body.text, to=body.to))
