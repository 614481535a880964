"""What the dialog says: complete in both languages, escaped, inside Telegram's limits, and readable again."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from uuid import UUID

import pytest
from aiogram.types import InlineKeyboardMarkup, ReplyKeyboardMarkup, ReplyKeyboardRemove

from services.notifier.bot.edge import LOCALE
from services.notifier.bot.phrases import FIXED, RESULTS, TOASTS, Phrases
from services.notifier.bot.speaker import METHODS
from services.notifier.bot.start import COMMANDS
from services.notifier.channels.telegram.words import Words
from services.notifier.domain.message import Contact
from services.notifier.domain.saying import AnswerTap, Kind, Say, Toast
from services.notifier.domain.telegram import Invited
from shared.events import Label, Language, PostRef, Result, UnitRef
from shared.i18n import LANGUAGES, load

NOW = datetime(2026, 11, 24, 9, 5, tzinfo=UTC)
WORDS = Words(load(LOCALE))
PHRASES = Phrases(WORDS)
CHALLENGE = UUID(int=5)
CONTACT = Contact("+915550000210", Label(hi="सुनीता <शर्मा>", en="Sunita <Sharma>"), "Mahesh & <b>Patel")
INVITED = Invited(
    challenge_id=CHALLENGE,
    organisation_id=UUID(int=1),
    appointment_id=UUID(int=2),
    cycle=1,
    organisation=Label(hi="जन <संगठन>", en="People <Org>"),
    unit=UnitRef(
        id=UUID(int=3), code="210", label=Label(hi="बूथ 210", en="Booth 210"), within=Label(hi="कोलार", en="Kolar")
    ),
    post=PostRef(code="president", label=Label(hi="बूथ अध्यक्ष", en="Booth president")),
    language="hi",
    fingerprints={"1": "a" * 64},
    contact=None,
    about=None,
    state="open",
    not_after=None,
)


def say(kind: Kind, language: Language, **more: object) -> Say:
    """Something to say about the invitation."""
    return Say(kind, 7, language, INVITED, CONTACT, **more)  # type: ignore[arg-type] # tests name the fields


class Tags(HTMLParser):
    """Collects tags, and complains about one that is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 # HTMLParser's signature
        """A tag opens."""
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        """It closes in order."""
        assert self.open.pop() == tag


ALL = [
    say(kind, language, result=result, guesses_left=2, retry_at=NOW)
    for language in LANGUAGES
    for kind in Kind
    for result in (Result if kind is Kind.RESULT else (None,))
]


@pytest.mark.parametrize("saying", ALL, ids=lambda s: f"{s.kind}-{s.result}-{s.language}")
def test_every_text_is_well_formed_html_within_the_limits(saying: Say) -> None:
    said = PHRASES.calls(saying, NOW)
    method = METHODS[said.method].model_validate_json(said.payload)
    text = getattr(method, "text", "")
    assert 1 <= len(text) <= 4096
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    assert tags.seen <= {"b", "code"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Kind.INTRODUCE, Kind.ASK])
def test_a_stranger_reads_first_name_and_initial_only(kind: Kind, language: Language) -> None:
    text = PHRASES.calls(say(kind, language), NOW).payload.decode()
    assert "Sharma" not in text
    assert "शर्मा" not in text


def test_every_sentence_has_its_hindi() -> None:
    hindi = load(LOCALE)["hi"]
    sentences = [*FIXED.values(), *RESULTS.values(), *TOASTS.values(), *COMMANDS.values()]
    untranslated = [s for s in sentences if hindi.gettext(s) == s and "हिन्दी" not in s]
    assert untranslated == []


@pytest.mark.parametrize("saying", [s for s in ALL if s.language == "hi"], ids=lambda s: f"{s.kind}-{s.result}")
def test_no_hindi_text_holds_an_english_sentence(saying: Say) -> None:
    text = str(METHODS["sendMessage"].model_validate_json(PHRASES.calls(saying, NOW).payload))
    for word in (" the ", " you ", " is ", " this ", "Please", "Thank", " your "):
        assert word not in text


@pytest.mark.parametrize("toast", Toast)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_toast_fits_and_waits_for_nothing(toast: Toast, language: Language) -> None:
    said = PHRASES.calls(AnswerTap("q", toast, language), NOW)
    method = METHODS[said.method].model_validate_json(said.payload)
    assert len(getattr(method, "text", "")) <= 200
    assert said.chat_id is None
    assert said.not_after is not None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.INTRODUCE, ReplyKeyboardMarkup),
        (Kind.NOT_OWN, ReplyKeyboardMarkup),
        (Kind.ASK, InlineKeyboardMarkup),
        (Kind.PHONE_VERIFIED, ReplyKeyboardRemove),
        (Kind.NEUTRAL, type(None)),
    ],
)
def test_keyboards_survive_being_kept_as_a_row(kind: Kind, expected: type) -> None:
    said = PHRASES.calls(say(kind, "hi"), NOW)
    method = METHODS["sendMessage"].model_validate_json(said.payload)
    assert isinstance(getattr(method, "reply_markup", None), expected)


def test_only_a_question_is_remembered_as_one() -> None:
    assert PHRASES.calls(say(Kind.ASK, "hi"), NOW).challenge_id == CHALLENGE
    assert PHRASES.calls(say(Kind.RESULT, "hi", result=Result.WRONG, guesses_left=1), NOW).challenge_id is None


def test_a_changed_message_loses_its_buttons() -> None:
    said = PHRASES.calls(say(Kind.RESULT, "hi", message_id=5, result=Result.VERIFIED), NOW)
    assert said.method == "editMessageText"
    assert b"reply_markup" not in said.payload
