"""Catalogues, and times and numbers as shown."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.i18n import BadCatalogue, ist_date, ist_deadline, ist_moment, ist_time, load, number

MOMENT = datetime(2026, 11, 24, 9, 5, tzinfo=UTC)
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: {plurals}\\n"\n\n'
HINDI = 'msgid "Yes"\nmsgstr "हाँ"\n\nmsgid "%(n)s seat"\nmsgid_plural "%(n)s seats"\nmsgstr[0] "एक"\nmsgstr[1] "अनेक"\n'


def folder(root: Path, hindi_plurals: str = "nplurals=2; plural=(n > 1);") -> Path:
    """A folder with a catalogue of each language."""
    for language, plurals, body in (("hi", hindi_plurals, HINDI), ("en", "nplurals=2; plural=(n != 1);", "")):
        path = root / language / "LC_MESSAGES" / "messages.po"
        path.parent.mkdir(parents=True)
        path.write_text(HEADER.format(plurals=plurals) + body, encoding="utf-8")
    return root


def test_a_sentence_is_translated_and_english_is_its_own_translation(tmp_path: Path) -> None:
    catalogues = load(folder(tmp_path))
    assert catalogues["hi"].gettext("Yes") == "हाँ"
    assert catalogues["en"].gettext("Yes") == "Yes"


@pytest.mark.parametrize(("count", "hindi", "english"), [(0, "एक", "seats"), (1, "एक", "seat"), (2, "अनेक", "seats")])
def test_nought_is_singular_in_hindi_and_plural_in_english(
    tmp_path: Path, count: int, hindi: str, english: str
) -> None:
    catalogues = load(folder(tmp_path))
    assert catalogues["hi"].ngettext("%(n)s seat", "%(n)s seats", count) == hindi
    assert catalogues["en"].ngettext("seat", "seats", count) == english


def test_the_plural_header_that_babel_writes_for_hindi_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCatalogue, match="Plural-Forms"):
        load(folder(tmp_path, "nplurals=2; plural=(n != 1);"))


def test_a_missing_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCatalogue):
        load(tmp_path)


@pytest.mark.parametrize(
    ("shown", "hindi", "english"),
    [
        (ist_time, "2:35 pm", "2:35 pm"),
        (ist_moment, "24 नव॰, 2:35 pm", "24 Nov, 2:35 pm"),
        (ist_date, "24 नवंबर", "24 November"),
        (ist_deadline, "मंगलवार, 24 नव॰, 2:35 pm", "Tuesday, 24 Nov, 2:35 pm"),
    ],
)
def test_times_are_shown_in_ist(shown: object, hindi: str, english: str) -> None:
    assert callable(shown)
    assert shown(MOMENT, "hi") == hindi
    assert shown(MOMENT, "en") == english


def test_numbers_have_indian_groups_and_latin_digits_in_both_languages() -> None:
    assert number(780180, "hi") == number(780180, "en") == "7,80,180"
