"""Who may look: the operators' token, as a bearer token or, in a browser, as a cookie that stands for it."""

import hmac
import re
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.exceptions import HTTPException
from fastapi.params import Depends as DependsClass
from fastapi.responses import RedirectResponse
from pydantic import SecretStr

from services.console.api.pages import Renderer
from services.console.domain import NoOperator

Field = Annotated[str, Form()]

COOKIE = "operator"
SIGNED_IN_SECONDS = 12 * 3600
"""A working day. There is no session to end: a new token ends all."""
_OWN_PAGE = re.compile(r"/(contract|tail(\?appointment=[\w-]{0,40})?|dead/[\w.]+/\d+/\d+)?")


def operators_only(token: SecretStr | None) -> DependsClass:
    """A dependency that asks for the operators' token where one is set; people in a browser are led to the form."""

    def check(request: Request) -> None:
        if token is None or _is_operator(request, token.get_secret_value()):
            return
        if "text/html" in request.headers.get("accept", ""):
            query = f"?{request.url.query}" if request.url.query else ""
            raise HTTPException(303, headers={"location": f"/sign-in?to={_own(request.url.path + query)}"})
        raise NoOperator

    return DependsClass(check)


def routes(token: SecretStr | None, page: Renderer) -> APIRouter:
    """The sign-in form. Its only state is the cookie."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    async def ask(to: str = "/") -> Response:
        if token is None:
            return RedirectResponse("/", 303)
        return page.show("sign_in.html", to=_own(to), wrong=False)

    @router.post("/sign-in")
    async def sign_in(request: Request, given: Field = "", to: Field = "/") -> Response:
        if token is None:
            return RedirectResponse("/", 303)
        secret = token.get_secret_value()
        if not hmac.compare_digest(given.strip().encode(), secret.encode()):
            return page.show("sign_in.html", status=422, to=_own(to), wrong=True)
        answer = RedirectResponse(_own(to), 303)
        answer.set_cookie(
            COOKIE,
            _stands_for(secret),
            max_age=SIGNED_IN_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    return router


def _is_operator(request: Request, secret: str) -> bool:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    cookie = request.cookies.get(COOKIE, "")
    by_header = hmac.compare_digest(bearer.encode(), secret.encode())
    by_cookie = hmac.compare_digest(cookie.encode(), _stands_for(secret).encode())
    return by_header or by_cookie


def _stands_for(secret: str) -> str:
    """What the cookie holds: it opens this console's pages, but it is not the token."""
    return hmac.digest(secret.encode(), b"boothline console cookie", "sha256").hex()


def _own(path: str) -> str:
    """`path` if it is a page of ours, else the first page: nobody is led elsewhere."""
    return path if _OWN_PAGE.fullmatch(path) else "/"
