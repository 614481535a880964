"""Correcting a phone, issuing again, ending, erasing."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from services.registry.domain.commands import Once
from services.registry.domain.failures import (
    AlreadyEnded,
    CannotCorrect,
    CannotReissue,
    NoSuchAppointment,
    NoSuchPerson,
    PhoneShared,
    SamePhone,
    SeatTaken,
    Stale,
)
from services.registry.domain.names import Name
from services.registry.domain.phonebook import Phonebook
from services.registry.service import Change
from services.registry.store.people import PersonRows
from shared import ids
from shared.events import AppointmentEnded, AppointmentRecorded, AppointmentReissued, PersonErased
from shared.phone import Fingerprinter
from shared.seal import about_appointment
from tests.integration.registry.conftest import NOW, PHONE, Registry, command, somebody_waits

OTHER = "+915550000002"


async def recorded(registry: Registry, state: str = "recorded", **changes: object) -> UUID:
    answer = await registry.service.recording.record(registry.principal, command(**changes), None, NOW)
    await registry.run("UPDATE appointment SET state = $2 WHERE id = $1", answer.appointment_id, state)
    return answer.appointment_id


def change(registry: Registry, appointment: UUID, version: int | None = None, once: Once | None = None) -> Change:
    return Change(registry.principal, appointment, NOW, version, once)


@pytest.mark.parametrize("state", ["recorded", "refused", "locked", "expired"])
async def test_a_corrected_phone_is_asked_in_the_next_cycle(registry: Registry, state: str) -> None:
    appointment = await recorded(registry, state)
    answer = await registry.service.changing.correct_phone(change(registry, appointment), OTHER)
    assert (answer.state, answer.cycle, answer.version, answer.phone) == ("recorded", 2, 2, "*******002")
    event = (await registry.events())[-1]
    assert isinstance(event, AppointmentReissued)
    assert (event.cycle, event.version, event.phone_last3) == (2, 2, "002")
    about = about_appointment(appointment, 2)
    contact = registry.sealers["notifier"].open(event.for_notifier, sender="registry", subject=about, field="contact")
    assert isinstance(contact, dict)
    assert contact["phone"] == OTHER
    assert len(await registry.rows("SELECT 1 FROM person")) == 1


@pytest.mark.parametrize("state", ["verified", "ended"])
async def test_a_proved_phone_and_an_ended_appointment_are_not_corrected(registry: Registry, state: str) -> None:
    appointment = await recorded(registry, state)
    with pytest.raises(CannotCorrect):
        await registry.service.changing.correct_phone(change(registry, appointment), OTHER)


async def test_a_correction_must_change_the_phone_and_not_take_somebody_elses(registry: Registry) -> None:
    appointment = await recorded(registry)
    await recorded(registry, unit="1-2", phone=OTHER, name=Name(None, "Asha Rai"))
    with pytest.raises(SamePhone):
        await registry.service.changing.correct_phone(change(registry, appointment), "05550000001")
    with pytest.raises(PhoneShared):
        await registry.service.changing.correct_phone(change(registry, appointment), OTHER)
    answer = await registry.service.changing.correct_phone(change(registry, appointment), OTHER, shared_phone=True)
    assert answer.cycle == 2


@pytest.mark.parametrize("state", ["locked", "expired"])
async def test_a_locked_or_expired_one_is_issued_again_on_its_seat(registry: Registry, state: str) -> None:
    appointment = await recorded(registry, state)
    answer = await registry.service.changing.reissue(change(registry, appointment))
    assert (answer.state, answer.cycle, answer.seat) == ("recorded", 2, 1)
    assert isinstance((await registry.events())[-1], AppointmentReissued)


@pytest.mark.parametrize("state", ["recorded", "verified", "refused", "ended"])
async def test_nothing_else_is_issued_again(registry: Registry, state: str) -> None:
    appointment = await recorded(registry, state)
    with pytest.raises(CannotReissue):
        await registry.service.changing.reissue(change(registry, appointment))


async def test_a_seat_that_was_taken_meanwhile_is_not_taken_back(registry: Registry) -> None:
    appointment = await recorded(registry, "expired")
    successor = await recorded(registry, phone=OTHER, name=Name(None, "Asha Rai"))
    with pytest.raises(SeatTaken) as raised:
        await registry.service.changing.reissue(change(registry, appointment))
    assert raised.value.details["appointment"] == str(successor)
    [row] = await registry.rows("SELECT state, cycle FROM appointment WHERE id = $1", appointment)
    assert tuple(row.values()) == ("expired", 1)


async def test_a_member_whose_seat_was_taken_gets_another_free_one(registry: Registry) -> None:
    appointment = await recorded(registry, "expired", post="member")
    await recorded(registry, post="member", phone=OTHER, name=Name(None, "Asha Rai"))
    answer = await registry.service.changing.reissue(change(registry, appointment))
    assert answer.seat == 2


async def test_of_a_reissue_and_a_new_record_on_one_seat_one_wins(registry: Registry) -> None:
    appointment = await recorded(registry, "expired")

    async def attempt(act: str) -> str:
        try:
            if act == "reissue":
                await registry.service.changing.reissue(change(registry, appointment))
            else:
                await recorded(registry, phone=OTHER, name=Name(None, "Asha Rai"))
        except SeatTaken:
            return "taken"
        return "seated"

    assert Counter(await asyncio.gather(attempt("reissue"), attempt("record"))) == {"seated": 1, "taken": 1}
    live = await registry.rows("SELECT 1 FROM appointment WHERE state IN ('recorded', 'verified')")
    assert len(live) == 1


@pytest.mark.parametrize("state", ["recorded", "verified", "refused", "locked", "expired"])
async def test_ending_frees_the_seat_and_is_stated(registry: Registry, state: str) -> None:
    appointment = await recorded(registry, state)
    answer = await registry.service.changing.end(change(registry, appointment), "resigned")
    assert (answer.state, answer.version) == ("ended", 2)
    event = (await registry.events())[-1]
    assert isinstance(event, AppointmentEnded)
    assert (event.reason, event.cycle) == ("resigned", 1)
    await recorded(registry, phone=OTHER, name=Name(None, "Asha Rai"))
    with pytest.raises(AlreadyEnded):
        await registry.service.changing.end(change(registry, appointment), "removed")


async def test_a_change_of_something_that_changed_meanwhile_is_refused(registry: Registry) -> None:
    appointment = await recorded(registry)
    await registry.service.changing.correct_phone(change(registry, appointment, version=1), OTHER)
    with pytest.raises(Stale) as raised:
        await registry.service.changing.end(change(registry, appointment, version=1), "mistake")
    assert raised.value.details == {"version": 2}


async def test_a_repeated_correction_has_one_effect(registry: Registry) -> None:
    appointment = await recorded(registry)
    once = Once("form", b"h")
    answers = await asyncio.gather(
        *(registry.service.changing.correct_phone(change(registry, appointment, once=once), OTHER) for _ in range(4))
    )
    assert {answer.cycle for answer in answers} == {2}
    assert len(await registry.events()) == 2


async def test_nobody_changes_what_is_not_there(registry: Registry) -> None:
    with pytest.raises(NoSuchAppointment):
        await registry.service.changing.end(change(registry, ids.new_id()), "other")


async def test_erasing_forgets_the_person_and_tells_everybody(registry: Registry) -> None:
    appointment = await recorded(registry)
    [person] = await registry.rows("SELECT id FROM person")
    await registry.service.operating.erase(registry.principal, person["id"], NOW)
    events = await registry.events()
    assert not any(isinstance(event, AppointmentRecorded) for event in events)
    ended, erased = events
    assert isinstance(ended, AppointmentEnded)
    assert isinstance(erased, PersonErased)
    assert erased.appointment_ids == (appointment,)
    assert len(erased.fingerprints) == 1
    [row] = await registry.rows("SELECT name_hi, name_en, gender, erased_at FROM person")
    assert tuple(row.values()) == (None, None, None, NOW)
    for table in ("contact", "contact_fingerprint", "subscription"):
        assert await registry.rows(f"SELECT 1 FROM {table}") == []  # noqa: S608 # our names
    view = await registry.service.reading.appointment(registry.principal, appointment)
    assert view.holder is None
    with pytest.raises(NoSuchPerson):
        await registry.service.operating.erase(registry.principal, person["id"], NOW)


async def test_a_phone_that_somebody_else_holds_is_not_forgotten_elsewhere(registry: Registry) -> None:
    appointment = await recorded(registry)
    await recorded(registry, unit="1-2", name=Name(None, "Asha Rai"), shared_phone=True)
    await registry.service.operating.erase_appointee(registry.principal, appointment, NOW)
    erased = (await registry.events())[-1]
    assert isinstance(erased, PersonErased)
    assert erased.fingerprints == ()
    assert len(await registry.rows("SELECT 1 FROM contact")) == 1


async def test_nobody_is_recorded_anew_while_they_are_erased(registry: Registry) -> None:
    """Else the erasure misses an appointment, or breaks off at the phone that it refers to."""
    await registry.service.recording.record(registry.principal, command(), None, NOW)
    [person] = await registry.rows("SELECT id FROM person")
    again = command(unit="1-2")
    number = Phonebook(Fingerprinter(registry.settings.fingerprint_keys_plain()), registry.vault, ["+91555"]).read(
        PHONE
    )
    async with asyncio.timeout(60), asyncio.TaskGroup() as group, registry.database.transaction() as rows:
        await PersonRows(rows).alone_with(number.fingerprints)  # a recording of this phone is under way
        erasing = group.create_task(registry.service.operating.erase(registry.principal, person["id"], NOW))
        await somebody_waits(registry)
        assert not erasing.done()
    answer = await registry.service.recording.record(registry.principal, again, None, NOW)
    [kept] = await registry.rows("SELECT person_id FROM appointment WHERE id = $1", answer.appointment_id)
    assert kept["person_id"] != person["id"]
