"""What every page shares: session, language, failures as pages, cache headers."""

import gettext
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from services.registry.api.portal.guard import check_origin
from services.registry.api.portal.rendering import Renderer, etag
from services.registry.domain.principal import Permission, Principal
from shared.errors import Failure, Unauthenticated
from shared.events import Language

log = structlog.get_logger(__name__)

_LANGUAGE_COOKIE = "language"
_A_YEAR = 365 * 24 * 3600


class SignedOut(Unauthenticated):
    """You are signed out. Ask for a new sign-in link; what you typed is still there when you go back in the browser."""

    code = "signed_out"


class Sessions(Protocol):
    """Sign-in by a one-time link, and what it opened."""

    async def sign_in(self, token: str, now: datetime) -> str:
        """Consume the link's token; the session's token. Raises BadSignIn."""

    async def principal(self, token: str, now: datetime) -> Principal | None:
        """Whose session this is, which then lasts another 30 minutes; None when it is over."""

    async def sign_out(self, token: str) -> None:
        """End the session."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a person: who, in which language, where."""

    request: Request
    principal: Principal
    language: Language
    now: datetime


class Edge:
    """Turns requests into visits, and views into responses."""

    def __init__(self, renderer: Renderer, sessions: Sessions, clock: Callable[[], datetime], *, https: bool) -> None:
        """Reads nothing yet. `https`: people reach the portal by it, whatever a proxy in between speaks to us."""
        self._https = https
        self._renderer = renderer
        self.sessions = sessions
        self.clock = clock

    async def visit(self, request: Request) -> Visit:
        """The visit of somebody signed in. Raises SignedOut, NotPermitted."""
        now = self.clock()
        token = request.cookies.get(self.session_cookie(request))
        principal = await self.sessions.principal(token, now) if token else None
        if principal is None:
            raise SignedOut
        principal.require(Permission.READ)
        return Visit(request, principal, language_of(request), now)

    def catalogue(self, language: Language) -> gettext.NullTranslations:
        """The sentences of a language."""
        return self._renderer.catalogues[language]

    def gettext(self, language: Language) -> Callable[[str], str]:
        """Translates sentences."""
        return self._renderer.catalogues[language].gettext

    def explain(self, failure: Failure, language: Language) -> str:
        """What happened, in `language`."""
        return self.gettext(language)(" ".join(failure.template.split())).format(**failure.details)

    def page(
        self,
        request: Request,
        template: str,
        context: Mapping[str, object],
        *,
        status: int = 200,
        personal: bool,
        principal: Principal | None = None,
    ) -> Response:
        """The page. `personal`: it names people, and nobody may keep a copy; else it is revalidated by its ETag."""
        language = language_of(request)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = self._renderer.page(template, language, {"here": here, "principal": principal, **context})
        headers = {"content-language": language, "vary": "Cookie"}
        if self.secure(request):
            headers["strict-transport-security"] = "max-age=31536000"
        if personal or status != 200:
            headers["cache-control"] = "no-store"
            return Response(body, status, headers, "text/html; charset=utf-8")
        headers |= {"cache-control": "private, no-cache", "etag": etag(body)}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, status, headers, "text/html; charset=utf-8")

    def failed(self, request: Request, failure: Failure) -> Response:
        """The page that says what went wrong; somebody who is not signed in goes to the sign-in page instead."""
        if isinstance(failure, SignedOut) and request.method == "GET":
            return RedirectResponse("/sign-in", 303, {"cache-control": "no-store"})
        _ = self.gettext(language_of(request))
        if failure.status >= 500:
            log.warning("page failed", error_code=failure.code)
        heading = _("This did not work") if failure.status != 404 else _("There is nothing here")
        context = {"failed": True, "heading": heading, "text": self.explain(failure, language_of(request))}
        response = self.page(request, "failed.html", context, status=failure.status, personal=True)
        if failure.retry_after is not None:
            response.headers["retry-after"] = str(max(1, round(failure.retry_after)))
        return response

    def route_class(self) -> type[APIRoute]:
        """Routes of pages: refuse foreign forms, switch the language, answer failures with a page."""
        edge = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    return await edge.serve(request, handle)

                return guarded

        return PageRoute

    async def serve(self, request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
        """The answer of `handle`, guarded."""
        try:
            scheme = "https" if self.secure(request) else "http"
            check_origin(request.method, request.headers, scheme, request.url.netloc)
            if request.method == "GET" and request.query_params.get("lang") in {"hi", "en"}:
                return self._switch_language(request)
            return await handle(request)
        except Failure as failure:
            return self.failed(request, failure)

    def secure(self, request: Request) -> bool:
        """Whether the browser speaks https."""
        return self._https or request.url.scheme == "https"

    def session_cookie(self, request: Request) -> str:
        """`__Host-` binds the cookie to this host and to https; plain loopback http cannot set it (decision: shape)."""
        return "__Host-session" if self.secure(request) else "session"

    def _switch_language(self, request: Request) -> Response:
        """Remember the choice and show the same page without it in the address."""
        query = str(request.url.remove_query_params("lang").query)
        path = "/" + request.url.path.lstrip("/")  # //host would leave this site
        response = RedirectResponse(path + (f"?{query}" if query else ""), 303)
        response.set_cookie(
            _LANGUAGE_COOKIE,
            request.query_params["lang"],
            _A_YEAR,
            samesite="lax",
            secure=self.secure(request),
            httponly=True,
        )
        response.headers["cache-control"] = "no-store"
        return response


def language_of(request: Request) -> Language:
    """The language that the person chose; Hindi first."""
    return "en" if request.cookies.get(_LANGUAGE_COOKIE) == "en" else "hi"
