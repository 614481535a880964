"""What an SMS says, in both languages, and that browsers find the code in it."""

import re
import string
from pathlib import Path
from typing import get_args

import pytest

from services.notifier import app
from services.notifier.domain.message import Letter
from services.notifier.domain.texts import Texts, catalogue_of, short_name, web_otp_line
from shared.events import Label, Language, Result
from tests.unit.notifier.letters import CODE, LINK, PHONE, announcement, answer, ended, invitation

TEXTS = app.texts()
LANGUAGES: tuple[Language, ...] = get_args(Language)
KINDS = [*(result.value for result in Result), "nothing", "help", "refuse_needs_code", "stopped", "started"]


def say(letter: Letter, *, two_way: bool = True) -> str:
    return TEXTS.write(letter, two_way)[0]


def parse(message: str) -> tuple[str, str] | None:
    """The parser of WICG "Origin-bound one-time codes delivered via SMS", section 3.2, as our oracle."""
    line = message.rsplit("\n", maxsplit=1)[-1]
    if not line.startswith("@"):
        return None
    host, _, rest = line[1:].partition(" ")
    if not host or not re.fullmatch(r"[a-z0-9.-]+", host) or not rest.startswith("#"):
        return None
    code = rest[1:].split(" ")[0]
    return (host, code) if code else None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("two_way", [True, False])
def test_a_browser_finds_the_code_in_the_last_line(language: Language, two_way: bool) -> None:
    text = say(invitation(language), two_way=two_way)
    assert parse(text) == ("boothline.in", CODE)
    assert text.split("\n")[-1] == f"@boothline.in #{CODE}"


def test_the_last_line_names_the_host_alone() -> None:
    assert web_otp_line("https://boothline.in:8443/c/x", "012345") == "@boothline.in #012345"
    assert parse(say(invitation(link="http://127.0.0.1:8200/c/x"))) == ("127.0.0.1", CODE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_invitation_says_who_asks_whom_for_what_and_how_to_refuse(language: Language) -> None:
    text = say(invitation(language))
    expected = {
        "hi": ["जन संगठन", "बूथ 210, रामपुर", "बूथ अध्यक्ष", "Mahesh Patel", "सुनीता श.", f"NO {CODE}", "14:40"],
        "en": ["People's Organisation", "Booth 210, Rampur", "Booth president", "Mahesh Patel", "Sunita S.", "14:40"],
    }[language]  # fmt: skip
    assert [part for part in expected if part not in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_invitation_has_one_link_and_never_the_full_name_or_phone(language: Language) -> None:
    text = say(invitation(language))
    assert text.count("http") == 1
    assert LINK in text
    assert not [part for part in ("शर्मा", "Sharma", "Devi", "देवी", PHONE[-10:]) if part in text]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sender_that_cannot_hear_invites_no_reply(language: Language) -> None:
    for letter in (invitation(language), invitation(language, code=None), announcement(language)):
        text = say(letter, two_way=False)
        assert not re.search(r"\bNO\b|STOP|reply|उत्तर", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_code_there_is_a_link_and_no_code_line(language: Language) -> None:
    text = say(invitation(language, code=None))
    assert LINK in text
    assert parse(text) is None
    assert not re.search(r"\d{6}", text.replace(LINK, ""))


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_announcement_names_the_person_only_where_the_name_came_with_it(language: Language) -> None:
    assert "Sunita" not in say(announcement(language))
    assert "Sunita Sharma" in say(announcement(language, name=Label(en="Sunita Sharma")))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_a_finished_sentence(language: Language, kind: str) -> None:
    text = say(answer(kind, language))
    assert "{" not in text
    assert "None" not in text
    assert text[-1] in ".।?"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answers_say_what_helps(language: Language) -> None:
    assert "3" in say(answer("wrong", language, guesses_left=3))
    assert "1" in say(answer("wrong", language, guesses_left=1))
    assert "Mahesh Patel" in say(answer("locked", language))
    assert "5" in say(answer("wait", language, retry_minutes=5))
    verified = say(answer("verified", language))
    assert all(
        part in verified for part in ([["बूथ अध्यक्ष", "बूथ 210"], ["Booth president", "Booth 210"]][language == "en"])
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_recorder_is_described(language: Language) -> None:
    text = say(answer("locked", language, recorder=None))
    assert "{" not in text
    assert "  " not in text


def test_an_answer_without_unit_and_post_makes_sense() -> None:
    for language in LANGUAGES:
        for kind in KINDS:
            text = say(answer(kind, language, unit=None, post=None))
            assert not re.search(r"\s[,.:।]|\(\)|  ", text), text


def test_an_invitation_takes_three_parts_at_most_and_everything_else_two() -> None:
    counts = {
        (language, two_way): TEXTS.write(invitation(language), two_way)[1]
        for language in LANGUAGES
        for two_way in (True, False)
    }
    assert max(counts.values()) <= 3, counts
    assert all(TEXTS.write(answer(kind, lang), True)[1] <= 2 for lang in LANGUAGES for kind in KINDS)
    assert all(TEXTS.write(ended(lang), True)[1] <= 2 for lang in LANGUAGES)


def test_both_languages_have_the_same_texts_with_the_same_names() -> None:
    folder = Path(app.LOCALE)
    catalogues = [catalogue_of((folder / f"{lang}.toml").read_text(encoding="utf-8")) for lang in LANGUAGES]
    for one, other in (catalogues, catalogues[::-1]):
        for section, texts in one.items():
            for key, text in texts.items():
                assert names(text) == names(other[section][key]), (section, key)


def names(text: str) -> set[str]:
    """The {names} of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_catalogues_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="different texts"):
        Texts({"hi": {"a": {"b": "c"}}, "en": {}})


@pytest.mark.parametrize(
    ("name", "language", "short"),
    [
        (Label(hi="सुनीता देवी शर्मा"), "hi", "सुनीता श."),
        (Label(hi="राम तिवारी"), "hi", "राम ति."),
        (Label(hi="राम त्रिपाठी"), "hi", "राम त."),
        (Label(en="Sunita Sharma"), "en", "Sunita S."),
        (Label(en="Sunita S."), "en", "Sunita S."),
        (Label(en="Sunita"), "hi", "Sunita"),
    ],
)
def test_a_name_is_shortened_to_first_name_and_initial(name: Label, language: str, short: str) -> None:
    assert short_name(name, language) == short
