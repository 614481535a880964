"""Taps and codes: B8 to B13, and several invitations of one phone."""

import asyncio
import json

import pytest

from services.notifier.domain.telegram import Act, button_data
from shared import ids
from shared.events import (
    ChallengeClosed,
    ChallengeExpired,
    ChallengeLocked,
    ChallengeRefused,
    ChallengeVerified,
    CodeEvidence,
    PersonErased,
    Result,
    TapEvidence,
    Via,
)
from shared.settings import ORGANISATION
from tests.integration.notifier.asking import CODE
from tests.integration.notifier_bot.test_linking import NAMED, NO, YES
from tests.integration.notifier_bot.world import OTHER, PHONE, World, until


async def test_b8_a_linked_account_gets_the_invitation_with_its_code_once_and_no_sms(w: World) -> None:
    w.phone()
    await w.link()
    said, texts = len(w.from_bot()), len(w.sms())
    event = await w.invite()
    message = await w.says(PHONE, CODE, after=said)
    assert await until(lambda: w.state_of(event)) == "accepted"
    assert len(w.from_bot()) == said + 1
    assert len(w.sms()) == texts
    assert [len(row) for row in message.inline] == [1, 1, 1]


async def test_b8_an_update_that_comes_three_times_is_one_reply(w: World) -> None:
    w.phone()
    await w.link()
    w.sandbox.world.telegram.updates.copies = 3
    w.tap(YES)
    await w.reply()
    w.sandbox.world.telegram.updates.repeat(None, 2, w.sandbox.now())
    await w.settled()
    assert len(await w.replies()) == 1


@pytest.mark.parametrize(
    ("label", "act", "named"), [(YES, "confirm", False), (NAMED, "confirm", True), (NO, "refuse", False)]
)
async def test_each_button_says_what_it_means(w: World, label: str, act: str, named: bool) -> None:
    w.phone()
    await w.link()
    w.tap(label)
    evidence = w.evidence(await w.reply())
    assert isinstance(evidence, TapEvidence)
    assert (evidence.act, evidence.name_consent, evidence.language) == (act, named, "hi")


async def test_a_typed_code_speaks_for_the_linked_phone(w: World) -> None:
    w.phone()
    await w.link()
    w.write(PHONE, "४८२ १०७")
    reply = await w.reply()
    evidence = w.evidence(reply)
    assert isinstance(evidence, CodeEvidence)
    assert (evidence.code, evidence.fingerprints) == (CODE, w.asking.prints(PHONE))
    assert reply.conversation_id == ids.conversation_id("telegram", str(w.sandbox.world.account(PHONE).id))


async def test_a_code_of_somebody_who_shared_no_contact_is_not_passed_on(w: World) -> None:
    w.phone()
    await w.known()
    w.write(PHONE, CODE)
    await w.says(PHONE, "पहले नीचे के बटन")
    assert await w.replies() == []


async def test_b9_wrong_codes_count_down_and_lock_with_whom_to_ask(w: World) -> None:
    w.phone()
    event = await w.link()
    assert event.challenge_id is not None
    w.write(PHONE, "111111")
    await w.judge(await w.reply(1), event.challenge_id, Result.WRONG, guesses_left=1)
    wrong = await w.says(PHONE, "1 मौका बाक़ी है")
    assert [b["text"] for row in wrong.inline for b in row] == ["नया कोड भेजें"]
    w.write(PHONE, "222222")
    await w.judge(await w.reply(2), event.challenge_id, Result.LOCKED)
    locked = await w.says(PHONE, "पाँच ग़लत कोड")
    assert "Mahesh Patel" in locked.text


async def test_b9_an_old_code_offers_a_new_one_and_the_cooldown_names_its_end(w: World) -> None:
    w.phone()
    event = await w.link()
    assert event.challenge_id is not None
    w.write(PHONE, CODE)
    await w.judge(await w.reply(1), event.challenge_id, Result.CODE_EXPIRED)
    await w.says(PHONE, "नया कोड भेजें", button=True)
    w.tap("नया कोड भेजें")
    reply = await w.reply(2)
    evidence = w.evidence(reply)
    assert isinstance(evidence, TapEvidence)
    assert evidence.act == "resend"
    await w.judge(reply, event.challenge_id, Result.WAIT, retry_at=w.clock())
    assert "के बाद माँगें" in (await w.says(PHONE, "थोड़ा रुकें")).text


async def test_b10_a_second_tap_while_the_first_is_judged_is_answered_and_not_passed_on(w: World) -> None:
    w.phone()
    await w.link()
    w.tap(YES)
    w.tap(YES)
    w.tap(NO)
    await w.settled()
    assert len(await w.replies()) == 1
    assert len(w.calls("answerCallbackQuery")) == 3


async def test_b10_a_tap_after_the_decision_gets_a_toast_only(w: World) -> None:
    w.phone()
    event = await w.link()
    question = (await w.says(PHONE, YES, button=True)).inline[0][0]["callback_data"]
    await w.decided(event, ChallengeVerified)
    await w.says(PHONE, "हो गया ✓")
    message = w.from_bot()[-1]  # the button is pressed on a phone that has not seen the change yet
    message.inline = [[{"text": YES, "callback_data": question}]]
    w.tap(YES)
    await until(lambda: _toast(w, PHONE, "अब मान्य नहीं"))
    assert await w.replies() == []


async def _toast(w: World, number: str, text: str) -> bool:
    return text in w.chat(number).toast


async def test_b10_a_tap_by_somebody_else_is_refused(w: World) -> None:
    w.phone(PHONE, OTHER)
    await w.link()
    w.write(OTHER, "hello")
    w.tap(YES, OTHER, chat_of=PHONE)
    await until(lambda: _toast(w, PHONE, "किसी और के लिए"))
    assert await w.replies() == []


@pytest.mark.parametrize("data", ["x", "c" + "A" * 22, "c" + "A" * 63, "cAAAA", "l:xx", "confirm:1"])
async def test_b10_invented_button_data_changes_nothing_and_is_answered(w: World, data: str) -> None:
    w.phone()
    await w.link()
    w.tap(YES, forged=data)
    await until(lambda: _answered(w, 1))
    assert await w.replies() == []


async def _answered(w: World, count: int) -> bool:
    return len(w.calls("answerCallbackQuery")) >= count


async def test_b10_a_forged_tap_for_somebody_elses_challenge_is_refused(w: World) -> None:
    w.phone(PHONE, OTHER)
    await w.link()
    theirs = await w.known(OTHER)
    assert theirs.challenge_id is not None
    w.tap(YES, forged=button_data(Act.CONFIRM, theirs.challenge_id))
    await until(lambda: _toast(w, PHONE, "किसी और के लिए"))
    assert await w.replies() == []


async def test_b11_the_code_is_gone_from_the_chat_after_success_and_from_the_database(w: World) -> None:
    w.phone()
    await w.link()
    event = await w.invite()
    await w.says(PHONE, CODE)
    await w.settled()
    await w.decided(event, ChallengeVerified)
    await w.says(PHONE, "हो गया ✓")
    assert not any(CODE in message.text for message in w.from_bot())
    await w.settled()
    for table in ("message", "telegram_answer", "telegram_update", "dialog", "telegram_reply", "outbox"):
        rows = await w.rows(f"SELECT * FROM {table}")  # noqa: S608 # our table names
        assert CODE not in str([dict(row) for row in rows])


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        (ChallengeVerified, {}, "हो गया ✓"),
        (ChallengeRefused, {"via": Via.WEB}, "दर्ज हो गया"),
        (ChallengeLocked, {"via": Via.WEB}, "पाँच ग़लत कोड"),
        (ChallengeExpired, {}, "समय बीत गया"),
        (ChallengeClosed, {"reason": "ended"}, "वापस ले लिया"),
    ],
)
async def test_a_challenge_decided_elsewhere_takes_its_buttons_away(
    w: World, kind: type[ChallengeVerified], fields: dict[str, object], text: str
) -> None:
    w.phone()
    event = await w.link()
    question = await w.says(PHONE, YES, button=True)
    await w.decided(event, kind, **fields)
    changed = await w.says(PHONE, text)
    assert (changed.id, changed.inline) == (question.id, [])


async def test_b12_a_refusal_is_told_in_the_question(w: World) -> None:
    w.phone()
    event = await w.link()
    assert event.challenge_id is not None
    w.tap(NO)
    reply = await w.reply()
    await w.judge(reply, event.challenge_id, Result.REFUSED)
    refused = await w.says(PHONE, "दर्ज हो गया")
    assert refused.inline == []


async def test_b13_a_message_that_cannot_be_changed_is_said_anew(w: World) -> None:
    w.phone()
    event = await w.link()
    question = await w.says(PHONE, YES, button=True)
    w.fault("editMessageText", status=400, description="Bad Request: message can't be edited")
    await w.decided(event, ChallengeVerified)
    told = await w.says(PHONE, "हो गया ✓")
    assert told.id != question.id


async def test_hearing_of_an_outcome_twice_ends_in_one_text(w: World) -> None:
    w.phone()
    event = await w.link()
    assert event.challenge_id is not None
    w.tap(YES)
    reply = await w.reply()
    said = len(w.from_bot())
    await asyncio.gather(w.decided(event, ChallengeVerified), w.judge(reply, event.challenge_id, Result.VERIFIED))
    await w.judge(reply, event.challenge_id, Result.VERIFIED)
    await w.settled()
    assert len(w.from_bot()) == said
    assert sum("हो गया ✓" in message.text for message in w.from_bot()) == 1


async def test_already_verified_stays_done(w: World) -> None:
    w.phone()
    event = await w.link()
    assert event.challenge_id is not None
    w.tap(YES)
    reply = await w.reply()
    await w.decided(event, ChallengeVerified)
    await w.judge(reply, event.challenge_id, Result.ALREADY)
    await w.settled()
    assert "हो गया ✓" in w.from_bot()[-1].text


async def test_two_invitations_of_one_phone_are_two_questions(w: World) -> None:
    w.phone()
    first, second = await w.known(), await w.known()
    assert second.challenge_id is not None
    w.press_start(PHONE, second.challenge_id.hex)
    w.share()
    await until(lambda: _questions(w, 2))
    asked = {row["challenge_id"] for row in await w.rows("SELECT challenge_id FROM telegram_question")}
    await w.settled()
    assert asked <= {first.challenge_id, second.challenge_id}
    await w.decided(first, ChallengeVerified)
    await w.says(PHONE, "हो गया ✓")
    assert sum(bool(message.inline) for message in w.from_bot()) == 1


async def _questions(w: World, count: int) -> bool:
    return sum(bool(message.inline) for message in w.from_bot()) >= count


async def test_codes_and_names_stay_out_of_what_is_kept(w: World) -> None:
    w.phone()
    await w.link()
    w.write(PHONE, "731945")
    await w.reply()
    await w.settled()
    for table in ("telegram_answer", "telegram_update", "dialog", "telegram_reply", "telegram_account", "outbox"):
        rows = json.dumps([dict(r) for r in await w.rows(f"SELECT * FROM {table}")], default=str)  # noqa: S608
        for secret in ("731945", "सुनीता", "5550000210", "Sunita"):
            assert secret not in rows


async def test_an_erased_person_leaves_nothing_in_the_bots_tables(w: World) -> None:
    w.phone()
    event = await w.link()
    w.tap(YES)
    await w.reply()
    await w.settled()
    assert event.appointment_id is not None
    erased = PersonErased(
        organisation_id=ORGANISATION,
        subject=ids.new_id(),
        version=1,
        at=w.clock(),
        appointment_ids=(event.appointment_id,),
        fingerprints=(w.asking.prints(PHONE),),
    )
    await w.rows("UPDATE telegram_update SET state = 'received', not_before = 'infinity'")  # wait while it is erased
    await w.requests.erase(erased, w.clock())
    await w.rows("UPDATE telegram_update SET not_before = '-infinity'")
    for table in ("telegram_account", "telegram_question", "telegram_reply", "dialog"):
        assert await w.rows(f"SELECT 1 FROM {table}") == []  # noqa: S608 # our table names
    assert await w.rows("SELECT 1 FROM telegram_answer WHERE chat_id IS NOT NULL OR payload IS NOT NULL") == []
    assert await w.replies() == []
    w.tap(YES)
    await until(lambda: _answered(w, 2))
    assert await w.replies() == []


async def test_a_question_that_arrives_after_the_decision_loses_its_buttons_all_the_same(w: World) -> None:
    w.phone()
    event = await w.link()
    chat_id = w.chat().id
    question = await w.says(PHONE, YES, button=True)
    await w.rows("DELETE FROM telegram_question")  # its row is written a moment later than the decision
    await w.decided(event, ChallengeVerified)
    await w.rows("INSERT INTO telegram_question VALUES ($1, $2, $3, now())", chat_id, question.id, event.challenge_id)
    assert (await w.says(PHONE, "हो गया ✓")).inline == []
