"""Sign-in by the one-time link that the command line prints, sign-out, and the privacy notice."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.registry.api.portal.edge import Edge, language_of
from services.registry.api.portal.forms import Problem, read_form
from services.registry.domain.failures import BadSignIn


def routes(edge: Edge) -> APIRouter:
    """GET never consumes the link: whoever previews it in a chat would use it up."""
    router = APIRouter(route_class=edge.route_class(), include_in_schema=False)

    @router.get("/sign-in")
    @router.get("/sign-in/{token}")
    async def ask(request: Request, token: str = "") -> Response:
        return edge.page(request, "sign_in.html", {"token": token, "problems": ()}, personal=True)

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        try:
            session = await edge.sessions.sign_in(form.token, edge.clock())
        except BadSignIn as failure:
            problem = Problem(edge.explain(failure, language_of(request)))
            context = {"token": "", "problems": [problem], "failed": True}
            return edge.page(request, "sign_in.html", context, status=failure.status, personal=True)
        response = RedirectResponse("/", 303, {"cache-control": "no-store"})
        response.set_cookie(
            edge.session_cookie(request),
            session,
            max_age=None,
            httponly=True,
            samesite="lax",
            secure=edge.secure(request),
        )
        return response

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        if token := request.cookies.get(edge.session_cookie(request)):
            await edge.sessions.sign_out(token)
        response = RedirectResponse("/sign-in", 303, {"cache-control": "no-store"})
        response.delete_cookie(edge.session_cookie(request), secure=edge.secure(request), httponly=True, samesite="lax")
        return response

    return router
