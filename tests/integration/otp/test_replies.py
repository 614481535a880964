"""What a person answers by SMS and Telegram (decisions 14, 20, 21, 27, 29)."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from shared import ids
from shared.errors import Failure
from shared.events import (
    ChallengeLocked,
    ChallengeRefused,
    ChallengeVerified,
    Event,
    MessageRequested,
    ReplyJudged,
    ReplyReceived,
    Result,
    Via,
)
from shared.seal import CannotOpen
from tests.integration.otp.world import Sent, World, fingerprint, only, wrong_code


async def results(world: World, reply: ReplyReceived) -> list[tuple[Result, int | None]]:
    """Judge a reply; what it did to each challenge."""
    return [(outcome.result, outcome.guesses_left) for outcome in await world.otp.judge(reply, world.now)]


def challenge_of(sent: Sent) -> UUID:
    """Whose message this is."""
    assert sent.event.challenge_id
    return sent.event.challenge_id


async def test_a_right_code_by_sms_verifies_and_is_answered_by_one_judgement(world: World) -> None:
    sent = await world.opened()
    reply = world.code_reply(sent.code or "", name_consent=True)
    assert await results(world, reply) == [(Result.VERIFIED, None)]
    events = await world.published()
    (verified,) = only(events, ChallengeVerified)
    (judged,) = only(events, ReplyJudged)
    assert (verified.via, verified.name_consent) == (Via.SMS, None)  # by SMS nobody consents to the name
    assert verified.causation_id == judged.causation_id == reply.event_id
    assert (judged.subject, judged.conversation_id) == (reply.subject, reply.conversation_id)
    assert [outcome.challenge_id for outcome in judged.outcomes] == [challenge_of(sent)]


async def test_a_reply_that_comes_again_is_judged_once_and_answered_the_same(world: World) -> None:
    sent = await world.opened()
    reply = world.code_reply(wrong_code(sent.code or ""))
    again = await asyncio.gather(*(results(world, reply) for _ in range(20)))
    assert again == [[(Result.WRONG, 4)]] * 20
    assert len(only(await world.published(), ReplyJudged)) == 1
    world.later(days=37)
    assert await results(world, reply) == [(Result.WRONG, 4)]


async def test_a_wrong_code_by_sms_is_charged_to_every_open_challenge_of_the_phone(world: World) -> None:
    mine = [await world.opened() for _ in range(3)]
    other = await world.opened(phone="+915550000999")
    bad = next(code for code in map(str, range(100000, 100009)) if code not in {sent.code for sent in mine})
    assert await results(world, world.code_reply(bad)) == [(Result.WRONG, 4)] * 3
    for left in (3, 2, 1):
        assert await results(world, world.code_reply(bad)) == [(Result.WRONG, left)] * 3
    assert await results(world, world.code_reply(bad)) == [(Result.LOCKED, 0)] * 3
    assert await results(world, world.code_reply(bad)) == []
    assert len(only(await world.published(), ChallengeLocked)) == 3
    assert await results(world, world.code_reply(other.code or "", "+915550000999")) == [(Result.VERIFIED, None)]


async def test_a_right_code_touches_its_own_challenge_alone(world: World) -> None:
    first, second = await world.opened(), await world.opened()
    assert first.code != second.code
    outcomes = await world.otp.judge(world.code_reply(second.code or ""), world.now)
    assert [(each.challenge_id, each.result) for each in outcomes] == [(challenge_of(second), Result.VERIFIED)]
    assert await results(world, world.code_reply(wrong_code(first.code or ""))) == [(Result.WRONG, 4)]
    assert await results(world, world.code_reply(first.code or "")) == [(Result.VERIFIED, None)]


async def test_the_code_of_another_phone_is_wrong(world: World) -> None:
    mine, other = await world.opened(), await world.opened(phone="+915550000999")
    assert mine.code != other.code
    assert await results(world, world.code_reply(other.code or "")) == [(Result.WRONG, 4)]


async def test_a_code_that_ran_out_is_said_to_have_run_out(world: World) -> None:
    sent = await world.opened()
    world.later(minutes=10)
    assert await results(world, world.code_reply(sent.code or "")) == [(Result.CODE_EXPIRED, None)]
    assert await results(world, world.code_reply("000000")) == [(Result.CODE_EXPIRED, None)]


async def test_nothing_is_open_for_a_stranger(world: World) -> None:
    await world.opened()
    assert await results(world, world.code_reply("123456", "+915550001111")) == []
    (judged,) = only(await world.published(), ReplyJudged)
    assert judged.outcomes == ()


async def test_codes_of_one_phone_are_made_distinct(world: World) -> None:
    class Colliding(type(world.codes)):  # type: ignore[misc] # every first code is the same
        def code(self, kid: str, challenge: UUID, n: int) -> str:
            return "111111" if n == 1 else super().code(kid, challenge, n)

    world.codes.__class__ = Colliding
    first, second = await world.opened(), await world.opened()
    assert first.code == "111111"
    assert second.code != "111111"
    other_phone = await world.opened(phone="+915550000999")
    assert other_phone.code == "111111"


async def test_a_refusal_by_sms_needs_the_right_code_and_a_wrong_one_is_a_guess(world: World) -> None:
    sent = await world.opened()

    def refusal(code: str) -> ReplyReceived:
        return world.reply({"kind": "refusal", "fingerprints": {"v1": fingerprint("+915550000210")}, "code": code})

    assert await results(world, refusal(wrong_code(sent.code or ""))) == [(Result.WRONG, 4)]
    assert await results(world, refusal(sent.code or "")) == [(Result.REFUSED, None)]
    (refused,) = only(await world.published(), ChallengeRefused)
    assert refused.via is Via.SMS


async def test_a_tap_of_the_bound_account_confirms_with_its_consent(world: World) -> None:
    sent = await world.opened()
    assert await results(world, world.tap("confirm", challenge_of(sent), name_consent=True)) == [
        (Result.VERIFIED, None)
    ]
    (verified,) = only(await world.published(), ChallengeVerified)
    assert verified.via is Via.TELEGRAM
    assert verified.name_consent is not None
    assert await results(world, world.tap("confirm", challenge_of(sent))) == [(Result.ALREADY, None)]


async def test_a_tap_may_refuse(world: World) -> None:
    sent = await world.opened()
    assert await results(world, world.tap("refuse", challenge_of(sent))) == [(Result.REFUSED, None)]


async def test_a_tap_of_an_account_with_another_phone_finds_nothing(world: World) -> None:
    sent = await world.opened()
    assert await results(world, world.tap("confirm", challenge_of(sent), "+915550000999")) == []


@pytest.mark.parametrize(
    ("age", "result"), [(timedelta(days=90), Result.VERIFIED), (timedelta(days=90, seconds=1), Result.OVER)]
)
async def test_a_contact_shared_over_90_days_ago_proves_nothing(world: World, age: timedelta, result: Result) -> None:
    sent = await world.opened()
    shared = (world.now - age).isoformat()
    assert await results(world, world.tap("confirm", challenge_of(sent), contact_shared_at=shared)) == [(result, None)]


async def test_a_tap_asks_for_a_code_under_the_same_limits(world: World) -> None:
    sent = await world.opened()
    outcomes = await world.otp.judge(world.tap("resend", challenge_of(sent)), world.now)
    assert [(each.result, each.retry_at) for each in outcomes] == [(Result.WAIT, world.now + timedelta(seconds=30))]
    world.later(seconds=30)
    tap = world.tap("resend", challenge_of(sent))
    assert await results(world, tap) == [(Result.CODE_SENT, None)]
    assert await results(world, tap) == [(Result.CODE_SENT, None)]
    assert len(only(await world.published(), MessageRequested)) == 1
    world.later(minutes=20)
    assert await results(world, world.tap("resend", challenge_of(sent))) == [(Result.CODE_SENT, None)]


async def test_a_locked_challenge_stays_locked_for_a_tap_and_for_a_named_code(world: World) -> None:
    sent = await world.opened()
    for _ in range(5):
        await world.otp.judge(world.code_reply(wrong_code(sent.code or "")), world.now)
    assert await results(world, world.tap("confirm", challenge_of(sent))) == [(Result.LOCKED, 0)]
    named = world.code_evidence(sent.code or "", challenge_id=str(challenge_of(sent)))
    assert await results(world, world.reply(named, Via.TELEGRAM)) == [(Result.LOCKED, 0)]


async def test_a_named_code_is_checked_against_that_challenge_alone(world: World) -> None:
    first, second = await world.opened(), await world.opened()
    named = world.code_evidence(second.code or "", challenge_id=str(challenge_of(first)))
    outcomes = await world.otp.judge(world.reply(named, Via.TELEGRAM), world.now)
    assert [(each.challenge_id, each.result) for each in outcomes] == [(challenge_of(first), Result.WRONG)]


async def test_during_a_key_rotation_either_fingerprint_finds_the_phone(world: World) -> None:
    both = {"v1": fingerprint("p", "v1"), "v2": fingerprint("p", "v2")}
    old = await world.opened(fingerprints={"v1": both["v1"]})
    new = await world.opened(fingerprints=both)
    later = world.code_evidence(new.code or "")
    assert await results(world, world.reply({**later, "fingerprints": {"v2": both["v2"]}})) == [(Result.VERIFIED, None)]
    first = world.code_evidence(old.code or "")
    assert await results(world, world.reply({**first, "fingerprints": both})) == [(Result.VERIFIED, None)]


async def test_during_a_code_key_rotation_a_reply_matches_under_the_challenges_own_key(world: World) -> None:
    old = await world.opened()
    world.use_keys({"k1": b"1" * 32, "k2": b"2" * 32})
    new = await world.opened()
    assert await results(world, world.code_reply(old.code or "")) == [(Result.VERIFIED, None)]
    assert await results(world, world.code_reply(new.code or "")) == [(Result.VERIFIED, None)]


async def test_of_many_replies_with_the_right_code_at_once_one_verifies(world: World) -> None:
    sent = await world.opened()
    found = await asyncio.gather(*(results(world, world.code_reply(sent.code or "")) for _ in range(100)))
    assert found.count([(Result.VERIFIED, None)]) == 1
    assert found.count([]) == 99


async def test_evidence_sealed_for_another_reply_does_not_open(world: World) -> None:
    sent = await world.opened()
    reply = world.code_reply(sent.code or "")
    with pytest.raises(CannotOpen):
        await world.otp.judge(reply.model_copy(update={"subject": ids.new_id()}), world.now)


async def test_malformed_evidence_is_a_typed_failure_without_its_values(world: World) -> None:
    with pytest.raises(Failure) as caught:
        await world.otp.judge(world.reply({"kind": "code", "code": "482107"}), world.now)
    assert "482107" not in str(caught.value)
    assert caught.value.code == "evidence"


async def test_an_outcome_is_stated_in_the_order_of_its_cause(world: World) -> None:
    sent = await world.opened()
    await world.otp.judge(world.code_reply(sent.code or ""), world.now)
    events: list[Event] = await world.published()
    assert [type(event) for event in events] == [ChallengeVerified, ReplyJudged]
