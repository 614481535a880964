"""Recording an appointment."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from services.registry.domain.commands import Answer, Once
from services.registry.domain.failures import (
    KeyReused,
    OutOfScope,
    PhoneShared,
    RefTaken,
    SeatTaken,
    UnknownPost,
    UnknownUnit,
)
from services.registry.domain.names import Name
from services.registry.service.reading import AppointmentView
from shared.errors import Failure
from shared.events import AppointmentRecorded
from shared.phone import NotAMobile, NotAPhone
from shared.seal import about_appointment
from shared.telemetry import current_trace
from tests.integration.registry.conftest import NOW, PHONE, Registry, command

OTHER = "+915550000002"


async def test_an_appointment_is_recorded_and_stated_in_one_event(registry: Registry) -> None:
    answer = await registry.service.recording.record(registry.principal, command(), None, NOW)
    assert (answer.seat, answer.state, answer.cycle, answer.version) == (1, "recorded", 1, 1)
    [event] = await registry.events()
    assert isinstance(event, AppointmentRecorded)
    assert event.subject == answer.appointment_id
    assert event.not_after == NOW + timedelta(days=7)
    assert event.unit.label.en == "Booth 1, Name"
    assert event.unit.within is not None
    assert event.unit.within.hi == "विधानसभा 1, नाम"


async def test_otp_opens_first_name_and_initial_and_only_the_notifier_opens_the_phone(registry: Registry) -> None:
    answer = await registry.service.recording.record(registry.principal, command(), None, NOW)
    [event] = await registry.events()
    assert isinstance(event, AppointmentRecorded)
    about = about_appointment(answer.appointment_id, 1)
    page = registry.sealers["otp"].open(event.for_otp, sender="registry", subject=about, field="page")
    assert page == {"appointee": {"hi": "सुनीता प.", "en": "Sunita P."}, "recorder": "Recorder"}
    contact = registry.sealers["notifier"].open(event.for_notifier, sender="registry", subject=about, field="contact")
    assert contact == {"phone": PHONE, **page}


async def test_no_phone_and_no_name_stand_in_outbox_rows_timeline_or_kept_answers(registry: Registry) -> None:
    once = Once("k", b"h")
    await registry.service.recording.record(registry.principal, command(), once, NOW)
    for table in ("outbox", "timeline", "idempotency", "change", "contact", "appointment", "challenge"):
        for row in await registry.rows(f"SELECT to_jsonb(t)::text AS row FROM {table} t"):  # noqa: S608 # our names
            text = row["row"] + str(bytes.fromhex(json.loads(row["row"])["value"][2:]) if table == "outbox" else "")
            for personal in ("5550000001", "Parmar", "परमार", "Sunita", "सुनीता"):
                assert personal not in text, (table, personal)


@pytest.mark.parametrize(
    ("changes", "failure", "field"),
    [
        ({"unit": "9-9"}, UnknownUnit, "unit"),
        ({"post": "king"}, UnknownPost, "post"),
        ({"phone": "12345"}, NotAPhone, "phone"),
        ({"phone": "011 2345 6789"}, NotAMobile, "phone"),
        ({"phone": "1600123456"}, NotAMobile, "phone"),
    ],
)
async def test_wrong_input_names_its_field_and_keeps_nothing(
    registry: Registry, changes: dict[str, str], failure: type[Failure], field: str
) -> None:
    with pytest.raises(failure) as raised:
        await registry.service.recording.record(registry.principal, command(**changes), Once("k", b"h"), NOW)
    assert raised.value.field == field
    for table in ("person", "contact", "appointment", "outbox", "idempotency"):
        assert await registry.rows(f"SELECT 1 FROM {table}") == []  # noqa: S608 # our names


async def test_a_taken_seat_is_refused_with_the_appointment_that_holds_it(registry: Registry) -> None:
    first = await registry.service.recording.record(registry.principal, command(), None, NOW)
    with pytest.raises(SeatTaken) as raised:
        await registry.service.recording.record(
            registry.principal, command(phone=OTHER, name=Name(None, "Asha Rai")), None, NOW
        )
    assert raised.value.details["appointment"] == str(first.appointment_id)
    assert len(await registry.rows("SELECT 1 FROM person")) == 1


async def test_members_take_the_seats_in_order_until_five_are_taken(registry: Registry) -> None:
    seats = []
    for number in range(5):
        one = command(post="member", phone=f"+91555000001{number}", name=Name(None, f"Member {'abcde'[number]}"))
        seats.append((await registry.service.recording.record(registry.principal, one, None, NOW)).seat)
    assert seats == [1, 2, 3, 4, 5]
    with pytest.raises(SeatTaken):
        await registry.service.recording.record(registry.principal, command(post="member"), None, NOW)


async def test_of_many_writers_on_one_seat_one_wins_and_the_others_are_told_so(registry: Registry) -> None:
    async def write(number: int) -> str:
        one = command(phone=f"+91555000002{number}", name=Name(None, f"Writer {'abcdefgh'[number]}"))
        try:
            await registry.service.recording.record(registry.principal, one, None, NOW)
        except SeatTaken:
            return "taken"
        return "recorded"

    results = Counter(await asyncio.gather(*(write(number) for number in range(8))))
    assert results == {"recorded": 1, "taken": 7}
    assert len(await registry.events()) == 1


async def test_writers_on_the_five_member_seats_fill_each_seat_once(registry: Registry) -> None:
    async def write(number: int) -> int | None:
        one = command(post="member", phone=f"+91555000003{number}", name=Name(None, f"Writer {'abcdefgh'[number]}"))
        try:
            return (await registry.service.recording.record(registry.principal, one, None, NOW)).seat
        except SeatTaken:
            return None

    results = await asyncio.gather(*(write(number) for number in range(8)))
    assert sorted(seat for seat in results if seat) == [1, 2, 3, 4, 5]


async def test_the_same_phone_and_name_is_one_person_and_learns_the_other_script(registry: Registry) -> None:
    await registry.service.recording.record(registry.principal, command(name=Name(None, "Sunita Parmar")), None, NOW)
    both = command(unit="1-2", name=Name("सुनीता परमार", "SUNITA  PARMAR"), gender="female")
    await registry.service.recording.record(registry.principal, both, None, NOW)
    [person] = await registry.rows("SELECT name_hi, name_en, gender FROM person")
    assert tuple(person.values()) == ("सुनीता परमार", "Sunita Parmar", "female")


async def test_the_same_phone_with_another_name_needs_the_recorders_word(registry: Registry) -> None:
    await registry.service.recording.record(registry.principal, command(), None, NOW)
    other = command(unit="1-2", name=Name(None, "Asha Rai"))
    with pytest.raises(PhoneShared) as raised:
        await registry.service.recording.record(registry.principal, other, None, NOW)
    assert raised.value.field == "phone"
    await registry.service.recording.record(registry.principal, replace(other, shared_phone=True), None, NOW)
    assert len(await registry.rows("SELECT 1 FROM person")) == 2


async def test_one_new_phone_recorded_twice_at_once_makes_one_person(registry: Registry) -> None:
    await asyncio.gather(
        *(registry.service.recording.record(registry.principal, command(unit=f"1-{n}"), None, NOW) for n in (1, 2, 3))
    )
    assert len(await registry.rows("SELECT 1 FROM person")) == 1
    assert len(await registry.rows("SELECT 1 FROM appointment")) == 3


async def test_concurrent_repeats_of_one_request_make_one_row_and_one_answer(registry: Registry) -> None:
    once = Once("form-1", b"same")
    answers = await asyncio.gather(
        *(registry.service.recording.record(registry.principal, command(), once, NOW) for _ in range(6))
    )
    assert len(set(answers)) == 1
    assert len(await registry.events()) == 1


async def test_a_key_with_another_request_is_refused(registry: Registry) -> None:
    await registry.service.recording.record(registry.principal, command(), Once("k", b"one"), NOW)
    with pytest.raises(KeyReused):
        await registry.service.recording.record(registry.principal, command(unit="1-2"), Once("k", b"two"), NOW)


async def test_a_failed_request_frees_its_key(registry: Registry) -> None:
    with pytest.raises(UnknownUnit):
        await registry.service.recording.record(registry.principal, command(unit="9-9"), Once("k", b"h"), NOW)
    await registry.service.recording.record(registry.principal, command(), Once("k", b"h2"), NOW)


async def test_an_external_reference_is_used_once(registry: Registry) -> None:
    await registry.service.recording.record(registry.principal, command(external_ref="A-1"), None, NOW)
    with pytest.raises(RefTaken):
        await registry.service.recording.record(registry.principal, command(unit="1-2", external_ref="A-1"), None, NOW)


async def test_a_reference_taken_at_the_same_moment_is_refused_too(registry: Registry) -> None:
    async def write(number: int) -> str:
        one = command(unit=f"1-{number}", phone=f"+91555000004{number}", external_ref="A-1")
        try:
            await registry.service.recording.record(registry.principal, one, None, NOW)
        except RefTaken:
            return "taken"
        return "recorded"

    assert Counter(await asyncio.gather(*(write(n) for n in (1, 2, 3)))) == {"recorded": 1, "taken": 2}


async def test_an_import_finds_what_it_recorded_before_in_whatever_state(registry: Registry) -> None:
    row = command(unchanged_if_known=True, mode="invite")
    first = await registry.service.recording.record(registry.principal, row, None, NOW)
    await registry.run("UPDATE appointment SET state = 'refused'")
    again = await registry.service.recording.record(registry.principal, row, None, NOW)
    assert (again.appointment_id, again.created) == (first.appointment_id, False)
    assert len(await registry.events()) == 1


async def test_a_recorder_of_one_booth_records_nowhere_else(registry: Registry) -> None:
    [booth] = await registry.rows("SELECT id FROM unit WHERE code = '1-1'")
    [district] = await registry.rows("SELECT id FROM unit WHERE code = 'mp-bhopal'")
    await registry.service.recording.record(replace(registry.principal, unit_id=district["id"]), command(), None, NOW)
    with pytest.raises(OutOfScope):
        await registry.service.recording.record(
            replace(registry.principal, unit_id=booth["id"]), command(unit="1-2", phone=OTHER), None, NOW
        )


async def test_what_is_read_back_shows_initial_and_last_three_digits(registry: Registry) -> None:
    answer = await registry.service.recording.record(registry.principal, command(), None, NOW)
    view = await registry.service.reading.appointment(registry.principal, answer.appointment_id)
    assert isinstance(view, AppointmentView)
    assert [entry.kind for entry in view.timeline] == ["recorded"]
    assert answer.phone == "*******001"


async def test_what_comes_together_shares_a_transaction_and_each_fails_alone(registry: Registry) -> None:
    wanted = [
        command(external_ref="A-1"),
        command(unit="9-9", phone=OTHER),
        command(unit="1-2", phone="+915550000003", external_ref="a\0b"),  # the database takes no NUL
        command(unit="1-3", phone="+915550000004"),
    ]
    record = registry.service.recording.record
    results = await asyncio.gather(
        *(record(registry.principal, one, None, NOW) for one in wanted), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == ["Answer", "UnknownUnit", "Unfit", "Answer"]
    assert len(await registry.events()) == 2


async def test_each_of_those_keeps_its_own_trace(registry: Registry) -> None:
    async def write(number: int) -> None:
        current_trace.set(f"00-{number:032x}-{number:016x}-01")
        one = command(unit=f"1-{number}", phone=f"+91555000005{number}")
        await registry.service.recording.record(registry.principal, one, None, NOW)

    await asyncio.gather(*(write(number) for number in (1, 2, 3)))
    rows = await registry.rows(
        "SELECT unit.code, headers, change.traceparent FROM outbox"
        " JOIN appointment ON appointment.id::text = convert_from(outbox.key, 'UTF8')"
        " JOIN unit ON unit.id = unit_id JOIN change ON change.appointment_id = appointment.id"
    )
    assert len({row["traceparent"] for row in rows}) == 3
    for row in rows:
        number = int(row["code"].removeprefix("1-"))
        assert row["traceparent"] == dict(row["headers"])["traceparent"] == f"00-{number:032x}-{number:016x}-01"


async def test_rows_of_an_import_are_recorded_in_order_and_each_fails_alone(registry: Registry) -> None:
    """Two rows name one phone, so that the second waits for the first; later rows of its unit wait with it."""
    wanted = [
        command(post="member", phone="+915550000061", name=Name(None, "Asha Rai"), external_ref="1"),
        command(post="member", phone="+915550000061", name=Name(None, "Asha Rai"), external_ref="2"),
        command(post="member", phone="+915550000062", name=Name(None, "Meena Das"), external_ref="3"),
        command(unit="1-2", phone="+915550000061", name=Name(None, "Somebody Else"), external_ref="4"),
        command(unit="1-2", phone="+915550000063", name=Name(None, "Rekha Nag"), external_ref="5"),
    ]
    rows = [replace(one, unchanged_if_known=True, mode="invite") for one in wanted]
    phonebook = registry.service.recording._phonebook
    together = [(row, phonebook.read(row.phone)) for row in rows]
    results = await registry.service.recording.record_all(registry.principal, together, NOW)
    seats = [result.seat if isinstance(result, Answer) else type(result).__name__ for result in results]
    assert seats == [1, 2, 3, "PhoneShared", 1]
    assert len(await registry.rows("SELECT FROM person")) == 3
    [counts] = await registry.rows("SELECT waiting FROM committee_count JOIN unit ON id = unit_id WHERE code = '1-1'")
    assert counts["waiting"] == 3
    again = await registry.service.recording.record_all(registry.principal, together, NOW)
    assert [isinstance(each, Answer) and each.created for each in again] == [False] * 5
