"""How pages are rendered: language, templates, links, and the way back after a form."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from gettext import NullTranslations
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.sandbox.api.pages.rich import Link, grouped, initial, linked, rich
from services.sandbox.domain.failures import NotUnderstood
from services.sandbox.service.sandbox import Sandbox
from shared.assets import Assets
from shared.errors import Failure
from shared.events.envelope import Language
from shared.i18n import LANGUAGES, ist_date, ist_moment, ist_time, load, number

HERE = Path(__file__).parents[2]
COOKIE = "lang"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
NO_STORE = {"cache-control": "private, no-store"}


class View:
    """Renders templates in the language of a request."""

    def __init__(self, sandbox: Sandbox, assets: Assets) -> None:
        self._sandbox = sandbox
        catalogues = load(HERE / "locale")
        self._pages = {language: self._environment(language, assets, catalogues[language]) for language in LANGUAGES}

    def _environment(self, language: str, assets: Assets, catalogue: NullTranslations) -> Environment:
        pages = Environment(
            loader=FileSystemLoader(HERE / "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        pages.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined] # by the extension
        pages.globals |= {"asset": assets.url, "language": language, "link_for": self.link_for}
        pages.globals["said"] = lambda failure: catalogue.gettext(failure.template).format(**failure.details)
        pages.filters |= {
            "rich": rich,
            "linked": linked,
            "initial": initial,
            "grouped": grouped,
            "time": lambda at: ist_time(moment(at), language),
            "moment": lambda at: ist_moment(moment(at), language),
            "date": lambda at: ist_date(moment(at), language),
            "number": lambda value: number(value, language),
        }
        return pages

    def route_class(self) -> type[APIRoute]:
        """Routes of pages: a failure becomes a page, not JSON."""
        view = self

        class PageRoute(APIRoute):
            """One page."""

            def get_route_handler(self) -> Handler:
                """The handler, with its failures turned into a page."""
                handle = super().get_route_handler()

                async def handler(request: Request) -> Response:
                    try:
                        return await handle(request)
                    except Failure as failure:
                        return view.failed(request, "failed.html", failure, {})
                    except (RequestValidationError, ValueError):  # an address or a form that no page of ours makes
                        return view.failed(request, "failed.html", NotUnderstood(), {})

                return handler

        return PageRoute

    def page(self, request: Request, template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
        """A page, or a part of one, in the language of the request; a language asked for by `?lang=` is kept."""
        language = language_of(request)
        values = {"error": None, "given": {}, **values}
        values |= {"here": request.url.path, "now": self._sandbox.now(), "other_language": other_url(request)}
        html = self._pages[language].get_template(template).render(**values)
        response = HTMLResponse(html, status, NO_STORE)
        if request.query_params.get(COOKIE) in LANGUAGES:
            response.set_cookie(COOKIE, language, max_age=31_536_000, httponly=True, samesite="lax")
        return response

    def failed(self, request: Request, template: str, failure: Failure, values: Mapping[str, object]) -> Response:
        """The page of a form again, with what is wrong and what was typed."""
        return self.page(request, template, {**values, "error": failure}, status=failure.status)

    def link_for(self, phone: str) -> Link:
        """Where the links in the messages of a phone lead: t.me links to the sandbox, as this phone."""

        def link(url: str) -> str:
            parts = urlsplit(url)
            path = f"/t.me{parts.path}" if parts.hostname in {"t.me", "telegram.me"} else parts.path
            if not path.startswith("/t.me/"):
                return url
            query = f"{parts.query}&" if parts.query else ""
            return f"{path}?{query}phone={quote(phone)}"

        return link


def moment(at: float) -> datetime:
    """A time of the sandbox as a datetime."""
    return datetime.fromtimestamp(at, UTC)


def language_of(request: Request) -> Language:
    """By `?lang=`, the cookie, the browser; Hindi otherwise."""
    asked = request.query_params.get(COOKIE), request.cookies.get(COOKIE)
    accepted = (part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(","))
    wanted = [*asked, *accepted]
    return next((language for tag in wanted for language in LANGUAGES if language == tag), "hi")


def other_url(request: Request) -> str:
    """This page in the other language."""
    other = "en" if language_of(request) == "hi" else "hi"
    path = request.url.path if request.method == "GET" else "/"
    query = request.url.include_query_params(lang=other).query if request.method == "GET" else f"lang={other}"
    return f"{path}?{query}"


def back(form: Mapping[str, object], fallback: str = "/") -> RedirectResponse:
    """The way back to the page that a form was on; never to another site."""
    target = str(form.get("back", fallback))
    safe = target.startswith("/") and not target.startswith(("//", "/\\"))
    return RedirectResponse(target if safe else fallback, 303)
