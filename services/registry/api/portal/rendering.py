"""Pages and live fragments from templates: one environment a language, strict about what is missing."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.registry.api.portal import words
from shared.i18n import IST, Catalogues, ist_moment, ist_time, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.assets import Assets
    from shared.events import Language

SERVICE = Path(__file__).parent.parent.parent
PAGES = SERVICE / "pages"
STATIC = SERVICE / "static"
LOCALE = SERVICE / "locale"


class Renderer:
    """Renders templates in both languages; knows the clock, for "today"."""

    def __init__(self, catalogues: Catalogues, assets: "Assets", clock: "Callable[[], datetime]") -> None:
        """Compiles nothing yet: a template is read at its first use, then kept."""
        self._clock = clock
        self.catalogues = catalogues
        self._environments = {language: self._environment(language, assets) for language in catalogues}

    def page(self, template: str, language: "Language", context: Mapping[str, object]) -> bytes:
        """The page `template`. Raises jinja2.UndefinedError for a name that `context` lacks."""
        blank: dict[str, object] = {
            "failed": False,
            "live": None,
            "section": None,
            "principal": None,
            "oob": "",
            "changed": frozenset(),
        }
        return self._environments[language].get_template(template).render(blank | dict(context)).encode()

    def fragment(self, template: str, language: "Language", context: Mapping[str, object]) -> bytes:
        """Components that replace their like on an open page, without blank lines (each line of an event costs)."""
        text = self.page(template, language, {"oob": words.OOB, "here": "", **context}).decode()
        return "\n".join(line.strip() for line in text.splitlines() if line.strip()).encode()

    def _environment(self, language: "Language", assets: "Assets") -> Environment:
        environment = Environment(
            loader=FileSystemLoader(PAGES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
            auto_reload=False,
        )
        catalogue = self.catalogues[language]
        environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined] # by the extension
        environment.globals.update(lang=language, asset=assets.url)
        environment.filters.update(
            moment=lambda at: moment(at, self._clock(), language, catalogue.gettext),
            number=lambda value: number(value, language),
            percent=lambda counts: words.percent(counts, language),
            shares=words.shares,
            counts_words=lambda counts: words.counts_words(counts, catalogue),
            status_word=lambda status: words.status_word(status, catalogue.gettext),
            language_word=lambda code: words.language_word(code, catalogue.gettext),
            with_language=with_language,
            answer_path=answer_path,
            unit_path=words.unit_path,
            coverage_path=words.coverage_path,
        )
        return environment


def moment(at: datetime, now: datetime, language: str, gettext: "Callable[[str], str]") -> str:
    """`today 2:35 pm`, `yesterday 6:12 pm`, else `21 Nov, 11:02 am`; in IST."""
    days = (now.astimezone(IST).date() - at.astimezone(IST).date()) / timedelta(days=1)
    if days == 0:
        return gettext("today %(time)s") % {"time": ist_time(at, language)}
    if days == 1:
        return gettext("yesterday %(time)s") % {"time": ist_time(at, language)}
    return ist_moment(at, language)


def with_language(here: str, language: str) -> str:
    """The path `here`, asking for `language`."""
    parts = urlsplit(here)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "lang"]
    return f"{parts.path}?{urlencode([*query, ('lang', language)])}"


def answer_path(here: str) -> str:
    """Where the form on the page `here` is sent: to another address than its own. A browser replaces a page by the
    answer from its own address, and then what was typed is gone when there is no connection (portal.md P6)."""
    parts = urlsplit(here)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    tried = query.get("try", "")
    query["try"] = str(int(tried) + 1 if tried.isascii() and tried.isdigit() and len(tried) < 6 else 1)
    return f"{parts.path}?{urlencode(query)}"


def etag(body: bytes) -> str:
    """A strong validator of `body`."""
    return f'"{hashlib.sha256(body).hexdigest()[:20]}"'
