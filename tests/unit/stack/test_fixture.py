"""The made-up state is a tree of any size and is about nobody."""

import itertools
from pathlib import Path

import pytest

from stack.fixture import Size, people, places, write
from stack.fixture.people import MOST


@pytest.mark.parametrize("booths", [1, 50, 51, 500, 2_001])
def test_every_parent_comes_before_its_children_and_every_code_once(booths: int) -> None:
    seen: set[str] = {""}
    for place in places(Size(booths)):
        assert place.parent in seen
        assert place.code not in seen
        seen.add(place.code)
    assert sum(place.level == "booth" for place in places(Size(booths))) == booths


def test_the_same_seed_makes_the_same_state_and_another_seed_another() -> None:
    assert list(places(Size(60))) == list(places(Size(60)))
    assert list(places(Size(60))) != list(places(Size(60, seed=2)))
    assert list(people(20)) == list(people(20))


def test_the_default_is_one_district_and_some_booths_lack_a_devanagari_name() -> None:
    found = list(places(Size()))
    assert sum(place.level == "district" for place in found) == 1
    assert 0 < sum(not place.name_hi for place in found) < 60
    assert all(place.name_en for place in found)


def test_all_phones_are_test_numbers_and_none_comes_twice() -> None:
    phones = [person.phone for person in people(5_000)]
    assert len(set(phones)) == 5_000
    assert all(phone.startswith("+91555") and len(phone) == 13 for phone in phones)
    with pytest.raises(ValueError, match="test numbers"):
        next(people(MOST + 1))


def test_a_big_state_is_not_held_in_memory() -> None:
    assert len(list(itertools.islice(places(Size(65_015)), 100))) == 100


def test_the_files_have_a_header_and_a_row_each(tmp_path: Path) -> None:
    write(Size(50), tmp_path)
    units = (tmp_path / "units.csv").read_text(encoding="utf-8").splitlines()
    assert units[0] == "level,code,parent,number,name_hi,name_en"
    assert len(units) == 1 + 50 + 4
    assert (tmp_path / "people.csv").read_text(encoding="utf-8").splitlines()[0].startswith("name_hi,name_en,gender")
