"""The made-up state is a tree of any size and is about nobody."""

import itertools
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from stack.fixture import Booth, Size, booths, people, write
from stack.fixture.people import MOST

PRESET = Path(__file__).resolve().parents[3] / "services" / "registry" / "presets" / "in-mp-2014.toml"


def test_the_columns_are_those_that_the_preset_reads() -> None:
    steps = tomllib.loads(PRESET.read_text(encoding="utf-8"))["units"]["path"]
    read = {step[key] for step in steps for key in ("number", "name_en", "name_hi") if key in step}
    assert read == {field.name for field in fields(Booth)}


@pytest.mark.parametrize("count", [1, 50, 51, 500, 2_001])
def test_every_booth_has_a_code_of_its_own(count: int) -> None:
    assert len({booth.code for booth in booths(Size(count))}) == count


def test_a_constituency_lies_in_one_district_and_a_mandal_in_one_constituency() -> None:
    rows = list(booths(Size(12_000)))
    assert {len({row.district for row in rows if row.ac_no == number}) for number in range(901, 949)} == {1}
    mandals = {(row.ac_no, row.mandal) for row in rows}
    assert len(mandals) == 12_000 / 50
    assert len({row.district for row in rows}) == 12_000 / 1_000


def test_the_same_seed_makes_the_same_state_and_another_seed_another() -> None:
    assert list(booths(Size(60))) == list(booths(Size(60)))
    assert list(booths(Size(60))) != list(booths(Size(60, seed=2)))
    assert list(people(20)) == list(people(20))


def test_the_default_is_one_district_and_some_booths_lack_a_devanagari_name() -> None:
    found = list(booths(Size()))
    assert (len(found), len({booth.district for booth in found})) == (500, 1)
    assert 0 < sum(not booth.booth_name_hi for booth in found) < 60
    assert all(booth.booth_name for booth in found)


def test_all_phones_are_test_numbers_and_none_comes_twice() -> None:
    phones = [person.phone for person in people(5_000)]
    assert len(set(phones)) == 5_000
    assert all(phone.startswith("+91555") and len(phone) == 13 for phone in phones)
    with pytest.raises(ValueError, match="test numbers"):
        next(people(MOST + 1))


def test_a_big_state_is_not_held_in_memory() -> None:
    assert len(list(itertools.islice(booths(Size(65_015)), 100))) == 100


def test_the_files_have_a_header_and_a_row_each(tmp_path: Path) -> None:
    write(Size(50), tmp_path)
    units = (tmp_path / "units.csv").read_text(encoding="utf-8").splitlines()
    assert units[0] == ",".join(field.name for field in fields(Booth))
    assert len(units) == 1 + 50
    assert (tmp_path / "people.csv").read_text(encoding="utf-8").splitlines()[0].startswith("name_hi,name_en,gender")
