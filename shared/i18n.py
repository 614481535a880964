"""Message catalogues compiled at start from `.po` files, and times and numbers as people in India read them."""

import gettext
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from shared.events.envelope import Language

LANGUAGES: tuple[Language, ...] = get_args(Language)
"""Hindi first: it is the default of every page."""

IST = ZoneInfo("Asia/Kolkata")

PLURALS = {"hi": "nplurals=2; plural=(n > 1);", "en": "nplurals=2; plural=(n != 1);"}
"""What a catalogue's `Plural-Forms` must say. CLDR: 0 and 1 are singular in Hindi; `pybabel init` writes n != 1
(portal.md finding 6)."""

_LOCALES = {"hi": "hi_IN", "en": "en_IN"}

Catalogues = Mapping[Language, gettext.NullTranslations]


class BadCatalogue(Exception):
    """A message catalogue cannot be used."""


def load(folder: Path) -> Catalogues:
    """The catalogues `folder/<language>/LC_MESSAGES/messages.po` of all languages. The msgid is the English sentence,
    so `en` translates only where English needs other words. Raises BadCatalogue: missing, malformed, wrong plurals."""
    return {language: _compile(folder / language / "LC_MESSAGES" / "messages.po", language) for language in LANGUAGES}


def _compile(path: Path, language: Language) -> gettext.NullTranslations:
    try:
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language, abort_invalid=True)
    except (OSError, ValueError) as error:
        raise BadCatalogue(f"{path.parent.parent.name}: {error}") from error
    if catalogue.plural_forms != PLURALS[language]:
        raise BadCatalogue(f"{language}: Plural-Forms must be {PLURALS[language]}")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    return gettext.GNUTranslations(BytesIO(compiled.getvalue()))


def ist_time(moment: datetime, language: str) -> str:
    """`2:35 pm`, in IST."""
    return _format(moment, "h:mm a", language)


def ist_moment(moment: datetime, language: str) -> str:
    """`24 नव॰, 2:35 pm` or `24 Nov, 2:35 pm`, in IST."""
    return _format(moment, "d MMM, h:mm a", language)


def ist_date(moment: datetime, language: str) -> str:
    """`24 नवंबर` or `24 November`, in IST."""
    return _format(moment, "d MMMM", language)


def ist_deadline(moment: datetime, language: str) -> str:
    """`मंगलवार, 24 नव॰, 2:35 pm`, in IST: a weekday belongs to every deadline (portal.md P37)."""
    return _format(moment, "EEEE, d MMM, h:mm a", language)


def number(value: float, language: str) -> str:
    """`7,80,180`: Indian groups, Latin digits in both languages."""
    return format_decimal(value, locale=_LOCALES[language])


def _format(moment: datetime, pattern: str, language: str) -> str:
    return format_datetime(moment.astimezone(IST), pattern, locale=_LOCALES[language])
