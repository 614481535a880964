"""Pages of the channels."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.sandbox.api.control.bodies import RoomIn
from services.sandbox.api.control.rooms import open_room
from services.sandbox.api.pages.forms import fields
from services.sandbox.api.pages.panels import channel_panel
from services.sandbox.api.pages.view import View, back
from services.sandbox.domain import membership
from services.sandbox.domain.failures import NameMissing
from services.sandbox.service.sandbox import Sandbox
from shared.errors import Failure

LISTED = 100


def routes(sandbox: Sandbox, view: View) -> APIRouter:
    """/channels."""
    router = APIRouter(prefix="/channels", route_class=view.route_class())

    def rooms() -> dict[str, object]:
        found = [c for c in sandbox.world.telegram.chats.values() if not c.person]
        return {"rooms": found[:LISTED], "count": len(found)}

    @router.get("")
    async def listed(request: Request) -> Response:
        return view.page(request, "channels.html", rooms())

    @router.post("")
    async def create(request: Request) -> Response:
        form = await fields(request)
        title = form.get("title", "").strip()[:128]
        if not title:
            return view.failed(request, "channels.html", NameMissing(field="title"), rooms() | {"given": form})
        chat = open_room(sandbox.world, RoomIn(title=title), sandbox.now())
        return RedirectResponse(f"/channels/{chat.id}", 303)

    @router.get("/{chat_id}")
    async def show(request: Request, chat_id: int) -> Response:
        return view.page(request, "room.html", page(chat_id))

    @router.post("/{chat_id}/join")
    async def join(request: Request, chat_id: int) -> Response:
        form, world = await fields(request), sandbox.world
        try:
            account = world.account(form.get("phone", ""))
            chat = world.telegram.chats.get(chat_id)
            membership.join(world.telegram, account, sandbox.now(), chat=chat, url=form.get("link", ""))
        except Failure as failure:
            failure.field = "phone"
            return view.failed(request, "room.html", failure, page(chat_id) | {"given": form})
        return back(form, f"/channels/{chat_id}")

    def page(chat_id: int) -> dict[str, object]:
        panel = channel_panel(sandbox.world, chat_id)
        accounts = sandbox.world.telegram.accounts
        people = [(accounts[i], m) for i, m in sandbox.world.telegram.chats[chat_id].members.items()]
        return {"panel": panel, "panels": [panel], "room": panel["chat"], "people": people[:LISTED]}

    return router
