"""Renders the confirm pages in Hindi and English."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from services.otp.domain.page import plain, script_of
from shared.events import Language
from shared.i18n import LANGUAGES, ist_date, ist_deadline, ist_time, load

FOLDER = Path(__file__).parent.parent / "pages"
LOCALE = Path(__file__).parent.parent / "locale"

HEADERS = {
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), otp-credentials=(self)",
}
"""Nothing of these pages is kept or found; WebOTP is allowed on them alone (portal.md P31)."""
HSTS = {"strict-transport-security": "max-age=31536000"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of the error summary: what is wrong, and where on the page it is mended."""

    field: str
    message: str
    at: datetime | None = None
    """A time that the message names."""


class Pages:
    """The templates, one environment per language."""

    def __init__(self, static_url: Callable[[str], str], *, https: bool) -> None:
        """Compiles the catalogues. Raises BadCatalogue."""
        self._headers = HEADERS | (HSTS if https else {})
        self._environments = {
            language: _environment(language, translations, static_url)
            for language, translations in load(LOCALE).items()
        }

    def render(
        self,
        name: str,
        language: Language,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> HTMLResponse:
        """The page `name` with these values."""
        template: Template = self._environments[language].get_template(f"{name}.html")
        other = next(each for each in LANGUAGES if each != language)
        text = template.render(language=language, other=other, status=status, **values)
        return HTMLResponse(text, status, {**self._headers, **(headers or {})})


def _environment(language: Language, translations: object, static_url: Callable[[str], str]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install: Callable[..., None] = environment.install_gettext_translations  # type: ignore[attr-defined] # the extension adds it
    install(translations, newstyle=True)
    environment.globals["static"] = static_url
    environment.filters["time"] = partial(_shown, ist_time, language)
    environment.filters["date"] = partial(_shown, ist_date, language)
    environment.filters["deadline"] = partial(_shown, ist_deadline, language)
    environment.filters["plain"] = plain
    environment.filters["script"] = script_of
    return environment


def _shown(show: Callable[[datetime, str], str], language: str, moment: datetime) -> str:
    return show(moment, language)
