"""What an SMS says: from a template, its parameters and what was opened, in Hindi or English."""

import tomllib
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from services.notifier.domain import parts
from services.notifier.domain.message import AnswerText, Letter
from shared.events import AnnouncementText, EndedText, InvitationText, Label, Language

IST = timezone(timedelta(hours=5, minutes=30))

Catalogue = Mapping[str, Mapping[str, str]]
"""Section -> key -> text with {names}."""


def catalogue_of(toml: str) -> Catalogue:
    """The texts of one language from its file. Raises tomllib.TOMLDecodeError."""
    sections = tomllib.loads(toml).items()
    return {section: {key: text.strip("\n") for key, text in texts.items()} for section, texts in sections}


class Texts:
    """SMS texts in all languages."""

    def __init__(self, catalogues: Mapping[Language, Catalogue]) -> None:
        """Raises ValueError when a language lacks a text that another has."""
        keys = {lang: {(s, k) for s, texts in cat.items() for k in texts} for lang, cat in catalogues.items()}
        if len({frozenset(known) for known in keys.values()}) != 1:
            raise ValueError("the catalogues have different texts")
        self._catalogues = catalogues

    def write(self, letter: Letter, two_way: bool) -> tuple[str, int]:  # the channel's contract
        """The text for SMS and how many parts it takes. It invites an answer only where one can arrive."""
        text = self._text(letter, two_way=two_way)
        return text, parts.count(text).count

    def _text(self, letter: Letter, *, two_way: bool) -> str:
        match letter.message.text:
            case InvitationText() as text:
                return self._invitation(letter, text, two_way=two_way)
            case AnnouncementText() as text:
                return self._announcement(letter, text, two_way=two_way)
            case EndedText() as text:
                return self._say(letter, "ended", "text", **_place(letter, text))
            case AnswerText() as text:
                return self._answer(letter, text)

    def _invitation(self, letter: Letter, text: InvitationText, *, two_way: bool) -> str:
        code, link = letter.secrets.code, letter.secrets.link or ""
        key = "link_only" if code is None else "two_way" if two_way else "one_way"
        body = self._say(
            letter, "invitation", key, **_place(letter, text),
            name=self._name(letter), recorder=self._recorder(letter), link=link,
            code=code or "", until=clock_time(text.code_not_after) if text.code_not_after else "",
        )  # fmt: skip
        return body if code is None else f"{body}\n{web_otp_line(link, code)}"

    def _announcement(self, letter: Letter, text: AnnouncementText, *, two_way: bool) -> str:
        name = letter.secrets.name.text(letter.message.language) if letter.secrets.name else None
        key = "named" if name else "unnamed"
        body = self._say(letter, "announcement", key, **_place(letter, text), name=name or "")
        return f"{body}\n{self._say(letter, 'announcement', 'opt_out')}" if two_way else body

    def _answer(self, letter: Letter, text: AnswerText) -> str:
        language = letter.message.language
        key = _answer_key(text)
        return self._say(
            letter, "answer", key,
            unit=text.unit.text(language) if text.unit else "", post=text.post.text(language) if text.post else "",
            guesses=str(text.guesses_left), minutes=str(text.retry_minutes), recorder=self._recorder(letter),
        )  # fmt: skip

    def _say(self, letter: Letter, section: str, key: str, **words: str) -> str:
        return self._catalogues[letter.message.language][section][key].format(**words)

    def _name(self, letter: Letter) -> str:
        appointee = letter.contact.appointee if letter.contact else None
        return short_name(appointee, letter.message.language) if appointee else ""

    def _recorder(self, letter: Letter) -> str:
        named = letter.contact.recorder if letter.contact else None
        return named or self._catalogues[letter.message.language]["words"]["recorder"]


def _answer_key(text: AnswerText) -> str:
    if text.kind == "wrong" and text.guesses_left == 1:
        return "wrong_last"
    named = text.kind in {"verified", "refused", "already"}
    return f"{text.kind}_plain" if named and not (text.unit and text.post) else text.kind


def _place(letter: Letter, text: InvitationText | AnnouncementText | EndedText) -> dict[str, str]:
    language = letter.message.language
    return {
        "organisation": text.organisation.text(language),
        "unit": text.unit.label.text(language),
        "post": text.post.label.text(language),
    }


def short_name(name: Label, language: str) -> str:
    """First name and initial of the last: a stranger may hold the phone (decision 28). A last name that is an initial
    already stays as it is."""
    words = name.text(language).split()
    if len(words) < 2:
        return " ".join(words)
    return f"{words[0]} {_initial(words[-1])}."


def _initial(word: str) -> str:
    """The first letter with the vowel signs that belong to it: ति of तिवारी, शर्मा's श."""
    end = 1
    while end < len(word) and unicodedata.category(word[end]) in {"Mn", "Mc"} and word[end] != "\u094d":
        end += 1
    return word[:end]


def clock_time(moment: datetime) -> str:
    """Hours and minutes in India."""
    return moment.astimezone(IST).strftime("%H:%M")


def web_otp_line(link: str, code: str) -> str:
    """The last line by which browsers offer the code on the page of the link: `@host #code`, the host alone, one space,
    nothing after it (WICG, Origin-bound one-time codes delivered via SMS)."""
    return f"@{urlsplit(link).hostname or ''} #{code}"
