"""Names of people: cleaned, compared, and shortened for strangers."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from services.registry.domain.failures import NameLegacyFont, NameMissing, NameTooLong, NameWrongScript
from shared.events import Label

LIMIT = 100
_JOINERS = "\u200c\u200d"
"""Zero width (non-)joiners are spelling in Devanagari; every other invisible character goes."""
DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name in the scripts that were given; a missing script stays missing."""

    hi: str | None = None
    en: str | None = None

    def __repr__(self) -> str:
        return "Name(...)"

    @property
    def label(self) -> Label:
        """As events carry it, sealed."""
        return Label(hi=self.hi, en=self.en)

    @property
    def short(self) -> dict[str, str | None]:
        """First name and initial: what a stranger who holds the phone may read."""
        return {"hi": self.hi and _shorten(self.hi), "en": self.en and _shorten(self.en)}

    def same_as(self, other: "Name") -> bool:
        """Whether both are spelled alike in a script that both have."""
        return any(
            mine is not None and theirs is not None and _key(mine) == _key(theirs)
            for mine, theirs in ((self.hi, other.hi), (self.en, other.en))
        )

    def completed_by(self, other: "Name") -> "Name":
        """This name, with the script that only `other` has."""
        return Name(self.hi or other.hi, self.en or other.en)


def clean_text(raw: str | None) -> str | None:
    """`raw` in NFC without invisible characters and odd spaces; None when nothing is left."""
    if raw is not None and raw.isascii() and raw.isprintable():  # most cells of most lists: 20 times faster
        return " ".join(raw.split()) or None
    kept = "".join(
        char if char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Zs", "Zl", "Zp"} else _space(char)
        for char in unicodedata.normalize("NFC", raw or "")
    )
    return " ".join(kept.split()).strip(_JOINERS) or None


def _space(char: str) -> str:
    return "" if unicodedata.category(char) == "Cf" else " "


def parse_name(hi: str | None, en: str | None) -> Name:
    """The name that was written. Raises NameMissing, NameTooLong, NameLegacyFont, NameWrongScript."""
    name = Name(_script(hi, "hi"), _script(en, "en"))
    if not (name.hi or name.en):
        raise NameMissing(field="name")
    return name


def _script(raw: str | None, script: Literal["hi", "en"]) -> str | None:
    text = clean_text(raw)
    if text is None:
        return None
    field = f"name.{script}"
    if len(text) > LIMIT:
        raise NameTooLong(field=field, limit=LIMIT)
    if script == "hi" and not DEVANAGARI.search(text):
        raise NameLegacyFont(field=field)
    if script == "en" and (DEVANAGARI.search(text) or not _LATIN.search(text)):
        raise NameWrongScript(field=field)
    return text


def _key(text: str) -> str:
    """Spelling that ignores case, joiners, accents' composition, dots and spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if unicodedata.category(char)[0] in "LMN")


def _shorten(text: str) -> str:
    first, *rest = text.split()
    return f"{first} {rest[-1][0]}." if rest else first
