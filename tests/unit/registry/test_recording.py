"""Which recordings may be decided together, and which seat each gets."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.registry.domain.commands import Once, Record
from services.registry.domain.failures import OutOfScope, SeatTaken, UnknownPost, UnknownUnit
from services.registry.domain.names import Name
from services.registry.domain.phonebook import Phone
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.recording import Asked, Seats, Site, round_of, scene_at
from services.registry.domain.records import Organisation, Post, Unit
from shared.events import Label, Notice

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ORGANISATION = Organisation(UUID(int=1), Label(en="Demo"), "hi", "in-mp-2014")
UNIT = Unit(UUID(int=2), "booth", Label(en="Booth"), "1-1", "1", None, "School")
MEMBER = Post("booth", "member", Label(en="Member"), 3)
SITE = Site(ORGANISATION, UNIT, MEMBER, in_scope=True, taken=[2], first_holder=UUID(int=3))
PRINCIPAL = Principal(UUID(int=4), ORGANISATION.id, "Recorder", frozenset(Permission))


def asked(phone: int, unit: str = "1-1", ref: str | None = None, key: str | None = None) -> Asked:
    notice = Notice(version="1", language="hi", at=NOW)
    record = Record(unit, "member", Name(None, "Asha Rai"), f"+9155500000{phone:02}", notice, external_ref=ref)
    number = Phone(record.phone, {"1": f"{phone:064x}", "2": f"f{phone:063x}"})
    return Asked(PRINCIPAL, record, number, NOW, Once(key, b"h") if key else None)


def together(*each: Asked) -> list[int]:
    return round_of(dict(enumerate(each)))


def test_different_phones_are_decided_together() -> None:
    assert together(asked(1), asked(2), asked(3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (asked(1), asked(1, "1-2")),
        (asked(1, ref="A"), asked(2, "1-2", ref="A")),
        (asked(1, key="k"), asked(2, "1-2", key="k")),
    ],
)
def test_a_phone_a_reference_and_a_key_are_decided_once_a_round(first: Asked, second: Asked) -> None:
    assert together(first, second, asked(3, "1-3")) == [0, 2]


def test_one_key_version_of_a_phone_is_enough() -> None:
    rotated = replace(asked(1, "1-2"), phone=Phone("+915550000001", {"2": f"f{1:063x}"}))
    assert together(asked(1), rotated) == [0]


def test_later_recordings_of_a_unit_do_not_overtake_one_that_waits() -> None:
    assert together(asked(1, "1-1"), asked(1, "1-2"), asked(2, " 1-2"), asked(3, "1-1")) == [0, 3]


def test_seats_are_given_in_order_each_once_and_held_ones_never() -> None:
    seats, scene = Seats(), scene_at(asked(1), SITE)
    assert [seats.take(scene, SITE), seats.take(scene, SITE)] == [1, 3]
    with pytest.raises(SeatTaken) as raised:
        seats.take(scene, SITE)
    assert raised.value.details["appointment"] == str(SITE.first_holder)


@pytest.mark.parametrize(
    ("site", "failure"),
    [(None, UnknownUnit), (replace(SITE, in_scope=False), OutOfScope), (replace(SITE, post=None), UnknownPost)],
)
def test_where_nobody_may_record_is_said(site: Site | None, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        scene_at(asked(1), site)
