"""Pages of the phones, and the forms on them: what a person does with a phone."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.sandbox.api.pages.forms import fields
from services.sandbox.api.pages.panels import channel_panel, chat_panel, last_chat, last_seen, sms_panel
from services.sandbox.api.pages.view import View, back
from services.sandbox.domain import person
from services.sandbox.domain.carrier import Phone
from services.sandbox.domain.failures import NameMissing, NoSuchButton, UnknownPhone
from services.sandbox.domain.person import ContactKind
from services.sandbox.domain.receipts import PhoneState, Receipts
from services.sandbox.service.sandbox import Sandbox
from shared.errors import Failure

LISTED = 50
RECENT = 2


def routes(sandbox: Sandbox, view: View) -> APIRouter:
    """The list, one phone, and every form of a phone."""
    router = APIRouter(route_class=view.route_class())
    listing(router, sandbox, view)
    showing(router, sandbox, view)
    chatting(router, sandbox)
    texting(router, sandbox, view)
    return router


def index(sandbox: Sandbox, search: str, page: int) -> dict[str, object]:
    """What the list shows: the conversations that moved last, and all phones, newest first, 50 a page."""
    world, wanted = sandbox.world, search.strip().lower().lstrip("+").replace(" ", "")
    known = sorted(world.phones.values(), key=lambda p: last_seen(world, p), reverse=True)
    found = [p for p in known if wanted in p.number or wanted in p.name.lower().replace(" ", "")]
    recent = [] if search else [p for p in known if last_seen(world, p)[1]][:RECENT]
    panels = [newest_panel(sandbox, phone) for phone in recent]
    channel = None if search else last_chat(world)
    if channel is not None and channel.messages:
        panels.append(channel_panel(world, channel.id))
    shown = found[page * LISTED : (page + 1) * LISTED]
    more = len(found) > (page + 1) * LISTED
    return {"panels": panels, "phones": shown, "count": len(world.phones), "q": search, "page": page, "more": more}


def newest_panel(sandbox: Sandbox, phone: Phone) -> dict[str, object]:
    """The chat or the SMS of a phone, whichever moved last."""
    sms_seq = phone.inbox[-1].seq if phone.inbox else 0
    return sms_panel(phone) if last_seen(sandbox.world, phone)[1] == sms_seq else chat_panel(sandbox.world, phone)


def listing(router: APIRouter, sandbox: Sandbox, view: View) -> None:
    """`/` and adding a phone."""

    @router.get("/")
    async def phones(request: Request, q: str = "", page: int = 0) -> Response:
        return view.page(request, "phones.html", index(sandbox, q, max(page, 0)))

    @router.post("/phones")
    async def add(request: Request) -> Response:
        form = await fields(request)
        try:
            if not form.get("name", "").strip():
                raise NameMissing(field="name")
            phone = sandbox.world.create(
                form.get("phone", ""),
                name=form["name"].strip()[:64],
                language=form.get("language", "hi")[:8],
                telegram="telegram" in form,
            )
        except Failure as failure:
            failure.field = failure.field or "phone"
            return view.failed(request, "phones.html", failure, index(sandbox, "", 0) | {"given": form})
        return RedirectResponse(f"/phones/{phone.number}", 303)


def showing(router: APIRouter, sandbox: Sandbox, view: View) -> None:
    """One phone, and what can be changed on it."""

    @router.get("/phones/{number}")
    async def phone(request: Request, number: str) -> Response:
        try:
            found = sandbox.world.phone(number)
        except UnknownPhone as failure:
            return view.failed(request, "phones.html", failure, index(sandbox, "", 0))
        return view.page(request, "phone.html", page_of(sandbox, found))

    @router.post("/phones/{number}/state")
    async def state(request: Request, number: str) -> Response:
        form, found = await fields(request), sandbox.world.phone(number)
        found.state = PhoneState(form.get("state", found.state))
        found.receipts = Receipts(form["receipts"]) if form.get("receipts") else None
        sandbox.changes.touch(f"sms:{found.number}")
        return back(form, f"/phones/{found.number}")

    @router.post("/phones/{number}/block")
    async def block(request: Request, number: str) -> Response:
        form, account = await fields(request), sandbox.world.account(number)
        person.set_blocked(sandbox.world.telegram, account, sandbox.now(), blocked=not account.blocked)
        return back(form, f"/phones/{account.phone}")

    @router.post("/phones/{number}/delete-account")
    async def delete(request: Request, number: str) -> Response:
        account = sandbox.world.account(number)
        person.delete_account(sandbox.world.telegram, account)
        return back(await fields(request), f"/phones/{account.phone}")


def page_of(sandbox: Sandbox, phone: Phone) -> dict[str, object]:
    """What the page of one phone shows."""
    panels = [chat_panel(sandbox.world, phone)] if phone.account else []
    others = [p for p in sandbox.world.phones.values() if p.account and p is not phone][:LISTED]
    states, receipts = list(PhoneState), list(Receipts)
    return {
        "phone": phone,
        "panels": [*panels, sms_panel(phone)],
        "states": states,
        "receipts": receipts,
        "others": others,
    }


def chatting(router: APIRouter, sandbox: Sandbox) -> None:
    """Start, text, contact, and taps."""

    @router.post("/phones/{number}/start")
    async def start(request: Request, number: str) -> Response:
        form, account = await fields(request), sandbox.world.account(number)
        person.start(sandbox.world.telegram, account, sandbox.now(), form.get("payload", "")[:64])
        return back(form, f"/phones/{account.phone}")

    @router.post("/phones/{number}/text")
    async def text(request: Request, number: str) -> Response:
        form, account = await fields(request), sandbox.world.account(number)
        if form.get("text", "").strip():
            person.send(sandbox.world.telegram, account, sandbox.now(), text=form["text"].strip()[:4096])
        return back(form, f"/phones/{account.phone}")

    @router.post("/phones/{number}/contact")
    async def contact(request: Request, number: str) -> Response:
        form, world = await fields(request), sandbox.world
        account, kind = world.account(number), ContactKind(form.get("kind", ContactKind.OWN))
        other = person.claimed(kind, form.get("phone") or None, world.account)
        person.contact(world.telegram, account, sandbox.now(), kind, other)
        return back(form, f"/phones/{account.phone}")

    @router.post("/phones/{number}/tap")
    async def tap(request: Request, number: str) -> Response:
        form, world = await fields(request), sandbox.world
        account = world.account(number)
        message = world.telegram.chats[account.id].message(int(form.get("message_id", "0")))
        if message is None:
            raise NoSuchButton
        person.tap(world.telegram, account, sandbox.now(), message, form.get("data", ""))
        return back(form, f"/phones/{account.phone}")


def texting(router: APIRouter, sandbox: Sandbox, view: View) -> None:
    """Answers by SMS."""

    @router.post("/phones/{number}/sms")
    async def sms(request: Request, number: str) -> Response:
        form, found = await fields(request), sandbox.world.phone(number)
        text = form.get("text", "").strip()[:1600]
        if text:
            try:
                await sandbox.messages.answer(found, text)
            except Failure as failure:
                return view.failed(request, "phone.html", failure, page_of(sandbox, found))
        return back(form, f"/phones/{found.number}")
