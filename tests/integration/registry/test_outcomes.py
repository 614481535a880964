"""What otp and notifier state, applied to real rows."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.registry.domain.failures import NoSuchAppointment
from services.registry.domain.names import Name
from services.registry.domain.states import Heard
from services.registry.service import Change
from shared import ids
from shared.events import (
    ChallengeClosed,
    ChallengeEvent,
    ChallengeExpired,
    ChallengeLocked,
    ChallengeOpened,
    ChallengeRefused,
    ChallengeVerified,
    Channel,
    ChannelPost,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryFailed,
    EndedText,
    Lane,
    MessageRequested,
    Notice,
    Person,
    Reason,
    Via,
)
from tests.integration.registry.conftest import NOW, PHONE, Registry, command

LATER = NOW + timedelta(minutes=2)
NOTICE = Notice(version="3", language="hi", at=LATER)
EVENTS: dict[Heard, type[ChallengeEvent]] = {
    Heard.OPENED: ChallengeOpened,
    Heard.VERIFIED: ChallengeVerified,
    Heard.REFUSED: ChallengeRefused,
    Heard.LOCKED: ChallengeLocked,
    Heard.EXPIRED: ChallengeExpired,
    Heard.CLOSED: ChallengeClosed,
}


def stated(registry: Registry, appointment: UUID, heard: Heard, version: int, cycle: int = 1, **more: Any) -> Any:
    by_kind: dict[Heard, dict[str, Any]] = {
        Heard.VERIFIED: {"via": Via.SMS, "verified_at": LATER, "notice": NOTICE},
        Heard.REFUSED: {"via": Via.WEB},
        Heard.LOCKED: {"via": Via.SMS},
        Heard.CLOSED: {"reason": "superseded"},
    }
    extra = by_kind.get(heard, {})
    return EVENTS[heard](
        organisation_id=registry.settings.organisation_id,
        subject=ids.challenge_id(appointment, cycle),
        version=version,
        at=LATER,
        appointment_id=appointment,
        cycle=cycle,
        **extra | more,
    )


async def hear(registry: Registry, appointment: UUID, heard: Heard, version: int, cycle: int = 1, **more: Any) -> None:
    event = stated(registry, appointment, heard, version, cycle, **more)
    await registry.service.outcomes.hear_challenge(event, heard, LATER)


async def recorded(registry: Registry, **changes: Any) -> UUID:
    return (await registry.service.recording.record(registry.principal, command(**changes), None, NOW)).appointment_id


async def state(registry: Registry, appointment: UUID) -> tuple[str, int]:
    [row] = await registry.rows("SELECT state, cycle FROM appointment WHERE id = $1", appointment)
    return row["state"], row["cycle"]


async def told(registry: Registry) -> list[MessageRequested]:
    return [
        event
        for event in await registry.events()
        if isinstance(event, MessageRequested) and isinstance(event.text, EndedText)
    ]


@pytest.mark.parametrize(
    ("heard", "becomes"),
    [
        (Heard.OPENED, "recorded"),
        (Heard.VERIFIED, "verified"),
        (Heard.REFUSED, "refused"),
        (Heard.LOCKED, "locked"),
        (Heard.EXPIRED, "expired"),
        (Heard.CLOSED, "recorded"),
    ],
)
async def test_an_appointment_becomes_what_otp_states(registry: Registry, heard: Heard, becomes: str) -> None:
    appointment = await recorded(registry)
    await hear(registry, appointment, heard, 1)
    assert await state(registry, appointment) == (becomes, 1)
    view = await registry.service.reading.appointment(registry.principal, appointment)
    assert [entry.kind for entry in view.timeline] == ["recorded", heard.value]


async def test_an_event_that_comes_often_has_one_effect(registry: Registry) -> None:
    appointment = await recorded(registry)
    await asyncio.gather(*(hear(registry, appointment, Heard.VERIFIED, 2) for _ in range(5)))
    await hear(registry, appointment, Heard.OPENED, 1)
    rows = await registry.rows("SELECT kind FROM timeline ORDER BY id")
    assert [row["kind"] for row in rows] == ["recorded", "verified"]
    [row] = await registry.rows("SELECT verified_at, verified_via, verified_notice FROM appointment")
    assert (row["verified_at"], row["verified_via"], row["verified_notice"]["version"]) == (LATER, "sms", "3")


async def test_ended_wins_over_a_confirmation_in_flight_and_the_person_is_told_once(registry: Registry) -> None:
    appointment = await recorded(registry)
    await registry.service.changing.end(Change(registry.principal, appointment, NOW), "mistake")
    await asyncio.gather(*(hear(registry, appointment, Heard.VERIFIED, 2) for _ in range(3)))
    assert await state(registry, appointment) == ("ended", 1)
    [message] = await told(registry)
    assert message.lane is Lane.URGENT
    assert message.challenge_id is None
    assert isinstance(message.recipient, Person)
    contact = registry.sealers["notifier"].open(
        message.recipient.contact, sender="registry", subject=str(message.subject), field="contact"
    )
    assert isinstance(contact, dict)
    assert contact["phone"] == PHONE


async def test_an_older_cycle_changes_nothing_and_the_phone_of_that_cycle_is_told(registry: Registry) -> None:
    appointment = await recorded(registry)
    await registry.service.changing.correct_phone(Change(registry.principal, appointment, NOW), "+915550000002")
    await hear(registry, appointment, Heard.VERIFIED, 2, cycle=1)
    assert await state(registry, appointment) == ("recorded", 2)
    [message] = await told(registry)
    assert isinstance(message.recipient, Person)
    assert message.recipient.phone_last3 == "001"
    await hear(registry, appointment, Heard.VERIFIED, 2, cycle=2)
    assert await state(registry, appointment) == ("verified", 2)


@pytest.mark.parametrize("order", list(itertools.permutations(["verified", "closed", "end"])))
async def test_in_whatever_order_end_and_confirmation_meet_it_ends_ended(
    registry: Registry, order: tuple[str, ...]
) -> None:
    appointment = await recorded(registry)
    for act in order:
        if act == "end":
            await registry.service.changing.end(Change(registry.principal, appointment, NOW), "mistake")
        else:
            await hear(registry, appointment, Heard(act), {"verified": 2, "closed": 3}[act])
    assert (await state(registry, appointment))[0] == "ended"


async def test_an_unknown_appointment_is_a_dead_letter(registry: Registry) -> None:
    with pytest.raises(NoSuchAppointment):
        await hear(registry, ids.new_id(), Heard.VERIFIED, 1)


async def subscribe(registry: Registry, unit: str, phone: str, name: str) -> None:
    await registry.service.audience.subscribe(registry.principal, unit, Name(None, name), phone, NOW, language="en")


async def announcements(registry: Registry) -> list[MessageRequested]:
    return [e for e in await registry.events() if isinstance(e, MessageRequested) and e.lane is Lane.BULK]


async def test_subscribers_of_the_unit_and_above_and_the_nearest_channel_are_told_once(registry: Registry) -> None:
    await subscribe(registry, "1-1", "+915550000011", "Booth Person")
    await subscribe(registry, "mp", "+915550000012", "State Person")
    await subscribe(registry, "mp-bhopal", "+915550000011", "Booth Person")
    await subscribe(registry, "1-2", "+915550000013", "Elsewhere")
    await registry.service.audience.set_channel(registry.principal, "mp", -1001, NOW)
    await registry.service.audience.set_channel(registry.principal, "ac-1", -1002, NOW)
    await registry.service.audience.set_channel(registry.principal, "1-2", -1003, NOW)
    appointment = await recorded(registry)
    await hear(registry, appointment, Heard.VERIFIED, 2)
    messages = await announcements(registry)
    posts = [m.recipient for m in messages if isinstance(m.recipient, ChannelPost)]
    persons = sorted(m.recipient.phone_last3 for m in messages if isinstance(m.recipient, Person))
    assert [post.chat_id for post in posts] == [-1002]
    assert persons == ["011", "012"]
    assert all(message.secrets is None for message in messages)
    view = await registry.service.reading.appointment(registry.principal, appointment)
    assert view.timeline[-1].details == {"members": 2, "channel": True}


async def five_subscribers(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.service.announcing, "_page", 2)
    for number in range(1, 6):
        await subscribe(registry, "1-1", f"+91555000002{number}", f"Person {'abcdef'[number]}")
    await registry.service.audience.set_channel(registry.principal, "mp", -1001, NOW)


async def test_a_large_audience_is_told_a_page_at_a_time_and_each_once(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await five_subscribers(registry, monkeypatch)
    appointment = await recorded(registry)
    await hear(registry, appointment, Heard.VERIFIED, 2)
    view = await registry.service.reading.appointment(registry.principal, appointment)
    assert view.timeline[-1].details == {"members": 5, "channel": True}
    assert len(await announcements(registry)) == 3
    assert [await registry.service.announcing.step() for _ in range(3)] == [True, True, False]
    messages = await announcements(registry)
    persons = sorted(m.recipient.phone_last3 for m in messages if isinstance(m.recipient, Person))
    assert persons == ["021", "022", "023", "024", "025"]
    assert len(messages) == 6
    assert {message.at for message in messages} == {messages[0].at}


async def test_what_ends_while_it_is_announced_is_told_to_nobody_else(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await five_subscribers(registry, monkeypatch)
    appointment = await recorded(registry)
    await hear(registry, appointment, Heard.VERIFIED, 2)
    await registry.service.changing.end(Change(registry.principal, appointment, NOW), "mistake")
    assert [await registry.service.announcing.step() for _ in range(2)] == [True, False]
    assert len(await announcements(registry)) == 3


async def test_a_page_that_is_written_again_tells_nobody_twice(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await five_subscribers(registry, monkeypatch)
    await hear(registry, await recorded(registry), Heard.VERIFIED, 2)
    await registry.service.announcing.step()
    await registry.run("UPDATE announcement SET after_person = '00000000-0000-0000-0000-000000000000'")
    while await registry.service.announcing.step():
        pass
    assert len(await announcements(registry)) == 6


async def test_the_name_is_announced_only_with_its_own_consent_and_sealed(registry: Registry) -> None:
    await registry.service.audience.set_channel(registry.principal, "1-1", -1001, NOW)
    appointment = await recorded(registry)
    await hear(registry, appointment, Heard.VERIFIED, 2, name_consent=NOTICE)
    [message] = await announcements(registry)
    assert message.secrets is not None
    opened = registry.sealers["notifier"].open(
        message.secrets, sender="registry", subject=str(message.subject), field="secrets"
    )
    assert opened == {"name": {"hi": "सुनीता परमार", "en": "Sunita Parmar"}}
    for row in await registry.rows("SELECT value FROM outbox"):
        assert "Parmar" not in row["value"].decode()


async def test_appointees_are_not_told_about_themselves_and_who_unsubscribed_about_nobody(registry: Registry) -> None:
    await subscribe(registry, "1-1", PHONE, "Sunita Parmar")
    await subscribe(registry, "1-1", "+915550000011", "Booth Person")
    await registry.service.audience.unsubscribe(registry.principal, "1-1", "+915550000011")
    appointment = await recorded(registry)
    await hear(registry, appointment, Heard.VERIFIED, 2)
    assert await announcements(registry) == []


def delivery(registry: Registry, kind: Any, appointment: UUID | None, version: int, **more: Any) -> Any:
    values = {
        "organisation_id": registry.settings.organisation_id,
        "subject": ids.message_id(registry.settings.organisation_id, "x", 1),
        "version": version,
        "at": LATER + timedelta(seconds=version),
        "lane": Lane.URGENT,
        "template": "invitation",
        "channel": Channel.SMS,
        "provider": "twilio",
        "appointment_id": appointment,
        "cycle": 1,
        "parts": 3,
    }
    return kind(**values | more)


async def test_a_message_shows_its_last_state_and_its_course(registry: Registry) -> None:
    appointment = await recorded(registry)
    hear_delivery = registry.service.outcomes.hear_delivery
    blocked = delivery(
        registry, DeliveryFailed, appointment, 1, channel=Channel.TELEGRAM, reason=Reason.BLOCKED, falls_back=True
    )
    await hear_delivery(blocked, "failed")
    await hear_delivery(delivery(registry, DeliveryDelivered, appointment, 3), "delivered")
    await hear_delivery(delivery(registry, DeliveryAccepted, appointment, 2), "accepted")
    await hear_delivery(delivery(registry, DeliveryDelivered, appointment, 3), "delivered")
    view = await registry.service.reading.appointment(registry.principal, appointment)
    [message] = view.deliveries
    assert (message.channel, message.state, message.reason, message.parts) == ("sms", "delivered", None, 3)
    assert [entry.kind for entry in view.timeline] == ["recorded", "message_failed", "message_delivered"]
    assert view.timeline[1].details["reason"] == "blocked"


async def test_an_invitation_of_an_import_stands_in_the_timeline_and_is_no_announcement(registry: Registry) -> None:
    appointment = await recorded(registry)
    await registry.service.outcomes.hear_delivery(
        delivery(registry, DeliveryAccepted, appointment, 1, lane=Lane.BULK), "accepted"
    )
    view = await registry.service.reading.appointment(registry.principal, appointment)
    assert [entry.kind for entry in view.timeline] == ["recorded", "message_accepted"]
    assert [message.state for message in view.deliveries] == ["accepted"]
    assert not view.announced


async def test_only_the_first_message_of_a_cycle_says_how_long_codes_take(registry: Registry) -> None:
    appointment = await recorded(registry)
    hear_delivery = registry.service.outcomes.hear_delivery
    await hear_delivery(delivery(registry, DeliveryAccepted, appointment, 1), "accepted")
    await hear_delivery(delivery(registry, DeliveryAccepted, appointment, 1), "accepted")
    await hear_delivery(delivery(registry, DeliveryDelivered, appointment, 2), "delivered")
    again = {"subject": ids.new_id(), "attempt": 2}
    await hear_delivery(delivery(registry, DeliveryAccepted, appointment, 1, **again), "accepted")
    await hear(registry, appointment, Heard.VERIFIED, 2)
    since = (LATER - NOW).total_seconds()
    assert registry.steps == [
        ("recorded_to_sent", "code", since + 1),
        ("recorded_to_receipt", "code", since + 2),
        ("recorded_to_verified", "code", since),
    ]


async def test_announcements_to_members_do_not_fill_the_timeline_but_the_channel_post_stands_there(
    registry: Registry,
) -> None:
    appointment = await recorded(registry)
    [unit] = await registry.rows("SELECT id FROM unit WHERE code = '1-1'")
    more = {"lane": Lane.BULK, "template": "announcement"}
    member = delivery(registry, DeliveryAccepted, appointment, 1, **more)
    post = delivery(registry, DeliveryAccepted, appointment, 1, subject=ids.new_id(), unit_id=unit["id"], **more)
    for event in (member, post):
        await registry.service.outcomes.hear_delivery(event, "accepted")
    view = await registry.service.reading.appointment(registry.principal, appointment)
    assert [entry.kind for entry in view.timeline] == ["recorded", "message_accepted"]
    assert view.deliveries == []
    assert [(told.channel, told.state, told.messages) for told in view.announced] == [("sms", "accepted", 2)]


async def test_a_delivery_about_nothing_we_know_is_kept_and_disturbs_nothing(registry: Registry) -> None:
    await registry.service.outcomes.hear_delivery(delivery(registry, DeliveryAccepted, ids.new_id(), 1), "accepted")
    assert len(await registry.rows("SELECT 1 FROM delivery")) == 1
