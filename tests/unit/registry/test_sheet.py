"""Tables as people send them."""

import secrets
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.app import load_presets
from services.registry.domain.appointment_rows import AppointmentRow, check_appointment_columns
from services.registry.domain.commands import Record
from services.registry.domain.failures import RowWidth, WrongColumns
from services.registry.domain.names import Name
from services.registry.domain.phonebook import Phonebook
from services.registry.domain.sheet import (
    Header,
    Row,
    check_unit_columns,
    clean_cell,
    plain,
    safe_cell,
    unit_row,
)
from services.registry.domain.vault import Vault
from shared.phone import Fingerprinter

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PRESETS = load_presets()
LIST = Header(["district", "ac_no", "ac_name", "part_no", "booth_name"], "utf-8")


def key() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def phonebook() -> Phonebook:
    return Phonebook(Fingerprinter({"1": key()}), Vault({"1": key()}), ["+91555"])


@pytest.mark.parametrize(
    ("written", "name"),
    [("AC No.", "ac_no"), ("\ufeffdistrict", "district"), (" Booth-Name ", "booth_name"), ("_row", "_row")],
)
def test_columns_are_known_by_their_plain_names(written: str, name: str) -> None:
    assert plain(written) == name


@given(st.text(max_size=30))
def test_a_cell_survives_export_and_upload(written: str) -> None:
    cell = clean_cell(written)
    assert clean_cell(safe_cell(cell)) in {cell, clean_cell(cell)}
    assert safe_cell(cell)[:1] not in {"=", "+", "-", "@"}


def test_missing_columns_are_one_problem_that_names_them_all() -> None:
    with pytest.raises(WrongColumns) as raised:
        check_unit_columns(Header(["district", "ac"], "utf-8"), PRESETS["in-mp-2014"])
    assert raised.value.details["missing"] == "ac_no, ac_name, part_no, booth_name"
    with pytest.raises(WrongColumns) as raised:
        check_appointment_columns(Header(["unit", "post", "phone"], "utf-8"))
    assert raised.value.details["missing"] == "notice_version, notice_language, name_hi"


def test_a_row_of_people_in_the_place_of_the_header_is_not_repeated() -> None:
    with pytest.raises(WrongColumns) as raised:
        check_appointment_columns(Header(["1-1", "president", "सुनीता परमार", "98765 43210"], "utf-8"))
    assert raised.value.details["found"] == "…"


def test_empty_cells_beyond_the_header_are_nothing_and_others_are_too_wide() -> None:
    assert LIST.cells(Row(2, ["A", "1", "B", "2", "C", "", " "]))["booth_name"] == "C"
    for cells in (["A", "1", "B", "2", "C", "x"], ["A", "1"]):
        with pytest.raises(RowWidth) as raised:
            LIST.cells(Row(2, cells))
        assert raised.value.details == {"found": len(cells), "expected": 5}


def test_levels_that_a_list_does_not_name_are_skipped() -> None:
    header = Header([*LIST.written, "mandal", "division"], "utf-8")
    row = unit_row(header, Row(2, ["Sheopur", "1", "Sheopur", "7", "Dhodhar", "", ""]), PRESETS["in-mp-2014"])
    assert [step.level for step in row.steps] == ["state", "district", "assembly", "booth"]
    row = unit_row(
        header, Row(2, ["Sheopur", "1", "Sheopur", "7", "Dhodhar", "Kolar", "Chambal"]), PRESETS["in-mp-2014"]
    )
    assert [step.code for step in row.steps] == [
        "mp", "mp-division-chambal", "mp-sheopur", "ac-1", "mandal-1-kolar", "1-7",
    ]  # fmt: skip


def test_another_preset_has_other_levels() -> None:
    header = Header(["region", "society_no", "society"], "utf-8")
    row = unit_row(header, Row(2, ["North", "012", "Dairy Society"]), PRESETS["cooperative"])
    assert [(step.level, step.code) for step in row.steps] == [
        ("federation", "federation"), ("region", "region-north"), ("society", "society-12"),
    ]  # fmt: skip


CELLS = {
    "unit": "1-1",
    "post": "president",
    "name_hi": "सुनीता परमार",
    "name_en": "",
    "phone": "०५५५००००००१",
    "notice_version": "1",
    "notice_language": "hi",
}


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"unit": ""}, [("cell_missing", "unit")]),
        ({"name_hi": ""}, [("name_missing", "name_hi")]),
        ({"name_hi": "jkts'k"}, [("name_legacy_font", "name_hi")]),
        ({"name_en": "सुनीता"}, [("name_wrong_script", "name_en")]),
        ({"gender": "x"}, [("gender_unknown", "gender")]),
        ({"language": "fr"}, [("language_unknown", "language")]),
        ({"notice_version": ""}, [("notice_missing", "notice_version")]),
        ({"notice_language": "fr"}, [("language_unknown", "notice_language")]),
        ({"notice_at": "yesterday"}, [("notice_time", "notice_at")]),
        ({"notice_at": "2027-01-01T00:00:00+00:00"}, [("notice_time", "notice_at")]),
        ({"notice_at": "0001-01-01T00:00:00+05:30"}, [("notice_time", "notice_at")]),
        ({"external_ref": "x" * 201}, [("unfit", "external_ref")]),
        ({"phone": "9.1E+09", "post": ""}, [("cell_missing", "post"), ("phone_scientific", "phone")]),
    ],
)
def test_everything_wrong_with_a_row_is_said_at_once(
    phonebook: Phonebook, changes: dict[str, str], problems: list[tuple[str, str]]
) -> None:
    row = AppointmentRow(CELLS | changes, phonebook, NOW)
    assert row.command() is None
    assert [(failure.code, failure.field) for failure in row.problems] == problems


def test_a_row_becomes_a_command_in_mode_invite(phonebook: Phonebook) -> None:
    cells = CELLS | {
        "gender": "महिला",
        "language": "EN",
        "shared_phone": "हाँ",
        "notice_at": "2026-11-24T08:00:00+05:30",
    }
    command = AppointmentRow(cells, phonebook, NOW).command()
    assert isinstance(command, Record)
    assert (command.gender, command.language, command.shared_phone, command.mode) == ("female", "en", True, "invite")
    assert command.name == Name("सुनीता परमार", None)
    assert command.unchanged_if_known
    assert "परमार" not in repr(command)
