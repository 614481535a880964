"""Names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.failures import NameLegacyFont, NameMissing, NameTooLong, NameWrongScript
from services.registry.domain.names import Name, clean_text, parse_name
from shared.errors import Failure


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  Sunita \t Parmar\n", "Sunita Parmar"),
        ("Su\u202enita\u200b Parmar\ufeff", "Sunita Parmar"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("श्री\u200c", "श्री"),
        ("Sunita\u00a0Parmar", "Sunita Parmar"),
        ("\u200b \u202e", None),
        ("", None),
        (None, None),
    ],
)
def test_invisible_characters_go_and_joiners_of_devanagari_stay(raw: str | None, clean: str | None) -> None:
    assert clean_text(raw) == clean


@given(st.text())
def test_cleaning_twice_is_cleaning_once(raw: str) -> None:
    once = clean_text(raw)
    assert clean_text(once) == once


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_fast_way_for_ascii_gives_what_the_careful_one_gives(raw: str) -> None:
    careful = clean_text(raw + "\u0905")
    assert (clean_text(raw + " ") or "") == (careful or "").removesuffix("\u0905").rstrip()


@pytest.mark.parametrize(
    ("hi", "en", "failure", "field"),
    [
        (None, None, NameMissing, "name"),
        (" ", "\u200b", NameMissing, "name"),
        ("jkts'k dqekj", None, NameLegacyFont, "name.hi"),
        (None, "सुनीता", NameWrongScript, "name.en"),
        (None, "12345", NameWrongScript, "name.en"),
        (None, "A" * 101, NameTooLong, "name.en"),
    ],
)
def test_a_wrong_name_says_which_field(hi: str | None, en: str | None, failure: type[Failure], field: str) -> None:
    with pytest.raises(failure) as raised:
        parse_name(hi, en)
    assert raised.value.field == field


def test_a_missing_script_stays_missing() -> None:
    assert parse_name("सुनीता परमार", None) == Name("सुनीता परमार", None)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (Name("सुनीता परमार", "Sunita Parmar"), {"hi": "सुनीता प.", "en": "Sunita P."}),
        (Name(None, "Sunita"), {"hi": None, "en": "Sunita"}),
        (Name(None, "Ram Kumar Verma"), {"hi": None, "en": "Ram V."}),
    ],
)
def test_strangers_read_first_name_and_initial(name: Name, short: dict[str, str | None]) -> None:
    assert name.short == short


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Name(None, "Sunita Parmar"), Name(None, "SUNITA  parmar."), True),
        (Name("क़मर", None), Name("क\u093cमर", None), True),
        (Name("सुनीता", "Suneeta"), Name("सुनीता", "Sunita"), True),
        (Name("सुनीता", None), Name(None, "Sunita"), False),
        (Name(None, "Sunita"), Name(None, "Asha"), False),
        (Name(None, None), Name(None, None), False),
    ],
)
def test_names_are_the_same_in_a_script_that_both_have(one: Name, other: Name, same: bool) -> None:
    assert one.same_as(other) is same


def test_a_name_does_not_print_itself() -> None:
    assert "Sunita" not in repr(Name(None, "Sunita"))
