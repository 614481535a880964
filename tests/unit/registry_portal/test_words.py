"""Words: moments, gaps, shares, and paths."""

from datetime import UTC, datetime, timedelta

import pytest

from services.registry.api.portal.guard import ForeignForm, check_origin
from services.registry.api.portal.rendering import LOCALE, answer_path, moment, with_language
from services.registry.api.portal.words import counts_words, gap, percent, reason_words, shares
from services.registry.domain.portal import START, BadCursor, CountsRow, Cursor
from shared.i18n import load

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CATALOGUES = load(LOCALE)


@pytest.mark.parametrize(
    ("at", "hi", "en"),
    [
        (NOW, "आज 2:30 pm", "today 2:30 pm"),
        (datetime(2026, 11, 23, 18, 31, tzinfo=UTC), "आज 12:01 am", "today 12:01 am"),
        (datetime(2026, 11, 23, 18, 29, tzinfo=UTC), "कल 11:59 pm", "yesterday 11:59 pm"),
        (datetime(2026, 11, 21, 5, 32, tzinfo=UTC), "21 नव॰, 11:02 am", "21 Nov, 11:02 am"),
        (NOW + timedelta(days=1), "25 नव॰, 2:30 pm", "25 Nov, 2:30 pm"),
    ],
)
def test_a_moment_is_told_as_people_say_it_in_india(at: datetime, hi: str, en: str) -> None:
    assert moment(at, NOW, "hi", CATALOGUES["hi"].gettext) == hi
    assert moment(at, NOW, "en", CATALOGUES["en"].gettext) == en


@pytest.mark.parametrize(
    ("seconds", "en", "hi"),
    [
        (-3, "0 seconds later", "0 सेकंड बाद"),
        (1, "1 second later", "1 सेकंड बाद"),
        (59, "59 seconds later", "59 सेकंड बाद"),
        (60, "1 minute later", "1 मिनट बाद"),
        (3600, "1 hour later", "1 घंटे बाद"),
        (2 * 86400, "2 days later", "2 दिन बाद"),
    ],
)
def test_a_gap_is_told_in_its_largest_unit(seconds: int, en: str, hi: str) -> None:
    assert gap(timedelta(seconds=seconds), CATALOGUES["en"]) == en
    assert gap(timedelta(seconds=seconds), CATALOGUES["hi"]) == hi


def test_a_share_is_never_rounded_up_to_all() -> None:
    nearly = CountsRow(size=100_000, verified=99_999)
    assert percent(nearly, "en") == "99.9%"
    assert percent(CountsRow(), "en") == "0%"
    assert percent(CountsRow(size=3, verified=3), "hi") == "100%"


def test_a_bar_says_in_words_what_it_shows() -> None:
    counts = CountsRow(size=12, verified=6, waiting=3, refused=1)
    assert counts_words(counts, CATALOGUES["en"]) == "6 verified, 3 waiting, 1 refused or run out, 2 vacant"
    assert (shares(counts).verified, shares(counts).waiting) == (50.0, 25.0)


def test_a_reason_of_a_newer_version_is_unknown() -> None:
    assert reason_words("volcano", CATALOGUES["en"].gettext) == "for an unknown reason"


def test_the_language_link_keeps_the_rest_of_the_address() -> None:
    assert with_language("/coverage/a?page=2&lang=hi", "en") == "/coverage/a?page=2&lang=en"


def test_a_form_is_sent_to_another_address_than_its_page() -> None:
    assert answer_path("/units/a/record?post=member") == "/units/a/record?post=member&try=1"
    assert answer_path("/units/a/record?post=member&try=1") == "/units/a/record?post=member&try=2"
    assert answer_path("/x?try=%D9%A1") == "/x?try=1"


@pytest.mark.parametrize("text", ["", "7", "-", "a-b", "1-", "-1", "1-2-3", "१-२", "1" * 50 + "-1"])
def test_a_malformed_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.parse(text)


def test_cursors_are_ordered_by_transaction_then_row() -> None:
    assert START < Cursor.parse("9-1") < Cursor.parse("9-2") < Cursor.parse("10-1")
    assert str(Cursor.parse("9-1")) == "9-1"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_needs_no_origin(method: str) -> None:
    check_origin(method, {}, "https", "portal.example")


def test_an_origin_of_another_port_is_foreign() -> None:
    check_origin("POST", {"origin": "http://127.0.0.1:8100"}, "http", "127.0.0.1:8100")
    with pytest.raises(ForeignForm):
        check_origin("POST", {"origin": "http://127.0.0.1:8200"}, "http", "127.0.0.1:8100")
