"""What a t.me link does: it opens the chat of a phone and presses Start, or joins a channel."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.sandbox.api.pages.view import View
from services.sandbox.domain import membership, person
from services.sandbox.domain.carrier import Phone
from services.sandbox.domain.world import World
from services.sandbox.service.sandbox import Sandbox

OFFERED = 50


def routes(sandbox: Sandbox, view: View) -> APIRouter:
    """/t.me/<bot>?start=<payload>&phone=<number> and /t.me/+<invite>; without a phone the page asks which one."""
    router = APIRouter(prefix="/t.me", route_class=view.route_class())

    @router.get("/{name}")
    async def open_link(request: Request, name: str, start: str = "", phone: str = "") -> Response:
        world = sandbox.world
        if not phone:
            values = {"name": name, "start": start[:64], "phones": offered(world, start)}
            return view.page(request, "deep_link.html", values)
        account = world.account(phone)
        if name.startswith("+"):
            membership.join(world.telegram, account, sandbox.now(), url=f"https://t.me/{name}")
        else:
            person.start(world.telegram, account, sandbox.now(), start[:64])
        return RedirectResponse(f"/phones/{account.phone}", 303)

    return router


def offered(world: World, payload: str) -> list[tuple[Phone, bool]]:
    """The phones that may open the link; one whose SMS holds the payload comes first."""
    owners = [p for p in world.phones.values() if p.account and not p.account.deleted]
    marked = [(p, bool(payload) and any(payload in s.body for s in p.inbox)) for p in owners]
    return sorted(marked, key=lambda pair: not pair[1])[:OFFERED]
