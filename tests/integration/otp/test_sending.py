"""How often a code may be sent: per challenge, per number, and when nobody knows whether it went out."""

import asyncio
from datetime import timedelta

import pytest

from services.otp.domain.challenge import StepFailed
from shared import ids
from shared.errors import Retry
from shared.events import (
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryUnknown,
    MessageRequested,
    Reason,
    Result,
)
from shared.events.notifier import DeliveryEvent
from tests.integration.otp.world import World, fingerprint, only


async def ask(world: World, handle: str, request: str | None = None) -> tuple[str, float | None]:
    """Ask for a code; the result, and in how many seconds it may be asked for again."""
    answer = await world.otp.ask(handle, request or str(ids.new_id()), world.now)
    return answer.result, (answer.at - world.now).total_seconds() if answer.at else None


async def test_codes_are_sent_again_after_30_60_120_and_300_seconds_and_five_times_in_all(world: World) -> None:
    sent = await world.opened()
    for cooldown in (30, 60, 120, 300):
        assert await ask(world, sent.handle) == ("wait", cooldown)
        world.later(seconds=cooldown - 1)
        assert await ask(world, sent.handle) == ("wait", 1)
        world.later(seconds=1)
        assert await ask(world, sent.handle) == ("sent", None)
    world.later(days=1)
    assert await ask(world, sent.handle) == ("limit", None)
    assert len(only(await world.published(), MessageRequested)) == 4


async def test_a_hammered_ask_sends_one_message(world: World) -> None:
    sent = await world.opened()
    world.later(seconds=30)
    results = await asyncio.gather(*(ask(world, sent.handle) for _ in range(100)))
    assert [result for result, _ in results].count("sent") == 1
    assert len(only(await world.published(), MessageRequested)) == 1


async def test_the_same_form_sent_twice_is_one_asking(world: World) -> None:
    sent = await world.opened()
    world.later(seconds=30)
    assert [await ask(world, sent.handle, "one form") for _ in range(2)] == [("sent", None)] * 2
    assert len(only(await world.published(), MessageRequested)) == 1


async def test_a_clock_that_runs_behind_waits_longer_and_sends_nothing_more(world: World) -> None:
    sent = await world.opened()
    world.later(seconds=-20)
    assert await ask(world, sent.handle) == ("wait", 50)


async def test_inside_its_ten_minutes_the_same_code_is_sent_and_its_end_does_not_move(world: World) -> None:
    sent = await world.opened()
    world.later(seconds=30)
    await ask(world, sent.handle)
    (again,) = world.messages(await world.published())
    assert again.code == sent.code
    assert again.event.not_after == sent.event.not_after
    assert again.event.subject != sent.event.subject
    world.later(seconds=570)
    await ask(world, sent.handle)
    (fresh,) = world.messages(await world.published())
    assert fresh.code != sent.code
    assert fresh.link == sent.link


async def test_a_code_about_to_run_out_is_not_sent_again(world: World) -> None:
    sent = await world.opened()
    world.later(seconds=511)
    assert await ask(world, sent.handle) == ("wait", 89)


async def test_a_number_gets_five_messages_an_hour_over_all_challenges(world: World) -> None:
    handles = [(await world.opened()).handle for _ in range(4)]
    world.later(seconds=60)
    assert await ask(world, handles[0]) == ("sent", None)
    assert await ask(world, handles[1]) == ("limit", 3540)
    world.later(seconds=3540)
    assert await ask(world, handles[1]) == ("sent", None)


async def test_a_number_gets_ten_messages_a_day(world: World) -> None:
    sent = [await world.opened() for _ in range(5)]
    world.later(hours=2)
    sent += [await world.opened() for _ in range(5)]
    world.later(hours=2)
    assert await ask(world, sent[0].handle) == ("limit", 20 * 3600)
    world.later(hours=20)
    assert await ask(world, sent[0].handle) == ("sent", None)


async def test_another_number_is_not_held_up(world: World) -> None:
    for _ in range(5):
        await world.opened()
    other = await world.opened(phone="+915550000999")
    assert other.code is not None


async def test_during_a_key_rotation_the_counter_stays_under_the_older_fingerprint(world: World) -> None:
    both = {"v10": fingerprint("x", "v10"), "v9": fingerprint("x", "v9")}
    for _ in range(3):
        await world.opened(fingerprints={"v9": both["v9"]})
    for _ in range(2):
        last = await world.opened(fingerprints=both)
    world.later(seconds=60)
    assert await ask(world, last.handle) == ("limit", 3540)


async def test_an_invitation_over_the_numbers_limit_goes_out_when_it_may(world: World) -> None:
    for _ in range(5):
        await world.opened()
    world.later(minutes=10)
    await world.otp.open(world.recorded(), world.now)
    assert only(await world.published(), MessageRequested) == []
    world.later(minutes=49)
    await world.otp.sweep(world.now)
    assert only(await world.published(), MessageRequested) == []
    world.later(minutes=1)
    await world.otp.sweep(world.now)
    (late,) = world.messages(await world.published())
    assert late.code
    assert late.event.not_after == world.now + timedelta(seconds=540)


async def test_a_link_alone_starts_no_cooldown(world: World) -> None:
    sent = await world.opened(mode="invite")
    assert await ask(world, sent.handle) == ("sent", None)
    assert await ask(world, sent.handle) == ("wait", 30)


async def test_the_last_minutes_of_an_invitation_send_no_code(world: World) -> None:
    sent = await world.opened(mode="invite")
    world.later(days=7, seconds=-89)
    assert await ask(world, sent.handle) == ("limit", None)


async def test_a_message_of_unknown_outcome_is_attempted_once_anew_with_the_same_code(world: World) -> None:
    sent = await world.opened()
    await world.otp.note(world.delivery(DeliveryUnknown, sent.event), world.now)
    world.later(seconds=44)
    await world.otp.sweep(world.now)
    assert await world.published() == []
    world.later(seconds=1)
    await world.otp.sweep(world.now)
    (again,) = world.messages(await world.published())
    assert again.code == sent.code
    assert sent.event.challenge_id
    assert again.event.subject == ids.message_id(sent.event.challenge_id, "person", 2)
    assert again.event.attempt == 2
    await world.otp.note(world.delivery(DeliveryUnknown, again.event), world.now)
    world.later(minutes=5)
    await world.otp.sweep(world.now)
    assert await world.published() == []


@pytest.mark.parametrize("kind", [DeliveryAccepted, DeliveryDelivered])
async def test_a_word_about_the_message_cancels_the_new_attempt(world: World, kind: type[DeliveryEvent]) -> None:
    sent = await world.opened()
    await world.otp.note(world.delivery(DeliveryUnknown, sent.event, 1), world.now)
    await world.otp.note(world.delivery(kind, sent.event, 2), world.now)
    await world.otp.note(world.delivery(DeliveryUnknown, sent.event, 1), world.now)  # an older state, replayed
    world.later(minutes=1)
    await world.otp.sweep(world.now)
    assert await world.published() == []


async def test_a_confirmation_cancels_the_new_attempt(world: World) -> None:
    sent = await world.opened()
    await world.otp.note(world.delivery(DeliveryUnknown, sent.event), world.now)
    await world.otp.judge(world.code_reply(sent.code or ""), world.now)
    await world.published()
    world.later(minutes=1)
    await world.otp.sweep(world.now)
    assert await world.published() == []


async def test_a_message_that_came_too_late_to_be_sent_is_asked_for_once_more(world: World) -> None:
    sent = await world.opened()
    world.later(minutes=10)
    late = world.delivery(DeliveryFailed, sent.event, reason=Reason.EXPIRED)
    await world.otp.note(late, world.now)
    await world.otp.sweep(world.now)
    (again,) = world.messages(await world.published())
    assert again.code != sent.code
    world.later(minutes=10)
    await world.otp.note(world.delivery(DeliveryFailed, again.event, reason=Reason.EXPIRED), world.now)
    await world.otp.sweep(world.now)
    assert only(await world.published(), MessageRequested) == []


@pytest.mark.parametrize("falls_back", [True, False])
async def test_a_failed_message_is_noted_and_nothing_is_sent(world: World, falls_back: bool) -> None:
    sent = await world.opened()
    failed = world.delivery(DeliveryFailed, sent.event, reason=Reason.BLOCKED, falls_back=falls_back)
    await world.otp.note(failed, world.now)
    world.later(minutes=5)
    await world.otp.sweep(world.now)
    assert await world.published() == []


async def test_a_retired_code_key_sends_nothing_and_stops_nobody(world: World) -> None:
    for _ in range(5):
        sent = await world.opened()
    await world.otp.open(world.recorded(), world.now)  # waits for the number's hour
    await world.published()
    world.use_keys({"k2": b"2" * 32})
    world.later(hours=1)
    assert await world.otp.sweep(world.now) >= 0
    assert await world.otp.sweep(world.now) == 0
    assert (await world.otp.ask(sent.handle, "form", world.now)).result == "limit"
    assert await world.published() == []


async def test_a_tap_for_a_challenge_whose_key_is_retired_is_answered_and_holds_up_no_conversation(
    world: World,
) -> None:
    sent = await world.opened()
    world.use_keys({"k2": b"2" * 32})
    world.later(hours=1)
    assert sent.event.challenge_id
    (outcome,) = await world.otp.judge(world.tap("resend", sent.event.challenge_id), world.now)
    assert (outcome.result, outcome.retry_at) == (Result.LIMIT, None)


async def test_a_due_item_that_fails_holds_up_no_other(world: World) -> None:
    sent = await world.opened()
    await world.otp.note(world.delivery(DeliveryUnknown, sent.event), world.now)
    await world.valkey.zadd("otp:due", {f"broken:{sent.event.challenge_id}:x:y": 1})
    world.later(seconds=45)
    assert await world.otp.sweep(world.now) == 1
    assert len(world.messages(await world.published())) == 1


async def test_a_fault_of_a_script_is_no_outage(world: World) -> None:
    """An outage holds a record's key until it is over; a fault must end as a dead letter."""
    with pytest.raises(StepFailed) as caught:
        await world.scripts.run("close", world.now)
    assert caught.value.retry is Retry.NEVER
    assert str(caught.value).startswith("A step of otp failed inside Valkey: close at line ")
