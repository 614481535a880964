"""An appointment becomes a challenge and a message."""

from datetime import timedelta

from shared import ids
from shared.events import (
    ChallengeOpened,
    InvitationText,
    Lane,
    Person,
)
from tests.integration.otp.world import PUBLIC_URL, START, World, only


async def test_a_live_appointment_opens_with_a_code_at_once(world: World) -> None:
    appointment = world.recorded()
    assert await world.otp.open(appointment, world.now) == "opened"
    events = await world.published()
    challenge = ids.challenge_id(appointment.subject, 1)
    (opened,) = only(events, ChallengeOpened)
    (sent,) = world.messages(events)
    assert (opened.subject, opened.version, opened.cycle) == (challenge, 1, 1)
    assert opened.not_after == START + timedelta(days=7)
    assert opened.causation_id == appointment.event_id
    assert sent.event.subject == ids.message_id(challenge, "person", 1)
    assert sent.event.lane is Lane.URGENT
    assert sent.code is not None
    assert len(sent.code) == 6
    assert sent.link == f"{PUBLIC_URL}/c/{sent.handle}"
    assert isinstance(sent.event.text, InvitationText)
    assert sent.event.text.has_code
    assert sent.event.text.code_not_after == START + timedelta(seconds=600)
    assert sent.event.not_after == START + timedelta(seconds=540)
    assert isinstance(sent.event.recipient, Person)
    assert sent.event.recipient.contact == appointment.for_notifier
    assert sent.event.recipient.about == f"{appointment.subject}:1"


async def test_an_imported_appointment_opens_with_a_link_alone_and_the_code_is_asked_for(world: World) -> None:
    sent = await world.opened(mode="invite")
    assert sent.code is None
    assert isinstance(sent.event.text, InvitationText)
    assert not sent.event.text.has_code
    assert sent.event.lane is Lane.BULK
    assert sent.event.not_after == START + timedelta(days=7)
    assert (await world.otp.ask(sent.handle, "form 1", world.now)).result == "sent"
    (asked,) = world.messages(await world.published())
    assert asked.code is not None
    assert asked.event.attempt == 2
    assert asked.event.lane is Lane.URGENT  # somebody waits for it, while perhaps a whole state is invited


async def test_the_same_appointment_event_twice_opens_one_challenge(world: World) -> None:
    appointment = world.recorded()
    assert [await world.otp.open(appointment, world.now) for _ in range(3)] == ["opened", "known", "known"]
    assert len(await world.published()) == 2
