"""From the link of an SMS to a linked account: B1 to B7, and links that grew old."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from services.sandbox.domain.chats import Message
from services.sandbox.domain.person import ContactKind
from shared.events import Result, TapEvidence, Via
from tests.integration.notifier_bot.world import OTHER, PHONE, World, until

YES, NAMED, NO = "✓ हाँ, स्वीकार है", "✓ हाँ, सूचना में मेरा नाम भी दें", "✕ यह मैं नहीं हूँ"
NEUTRAL = "इस लिंक से अभी कुछ नहीं खुलता"
REFUSED = "कुछ नहीं बदला गया"


async def test_link_contact_and_tap_end_in_a_reply_and_its_outcome_in_the_same_message(w: World) -> None:
    w.phone()
    event = await w.link()
    question = await w.says(PHONE, YES, button=True)
    w.tap(YES)
    reply = await w.reply()
    evidence = w.evidence(reply)
    assert isinstance(evidence, TapEvidence)
    assert (evidence.act, evidence.name_consent, evidence.challenge_id) == ("confirm", False, event.challenge_id)
    assert reply.via is Via.TELEGRAM
    assert event.challenge_id is not None
    await w.judge(reply, event.challenge_id, Result.VERIFIED)
    done = await w.says(PHONE, "हो गया ✓")
    assert (done.id, done.inline) == (question.id, [])
    assert "बूथ अध्यक्ष" in done.text


async def test_b1_a_link_shows_the_invitation_with_first_name_and_initial_and_asks_for_the_phone(w: World) -> None:
    w.phone()
    event = await w.known()
    assert event.challenge_id is not None
    w.press_start(PHONE, event.challenge_id.hex)
    shown = await w.says(PHONE, "सुनीता श.")
    for text in ("जन संगठन", "बूथ अध्यक्ष", "बूथ 210, रामपुर", "Mahesh Patel"):
        assert text in shown.text
    assert "शर्मा" not in shown.text
    assert w.chat().reply_keyboard == [[{"text": "📱 अपना फ़ोन नंबर साझा करें", "request_contact": True}]]


async def test_b1_the_invitation_speaks_its_own_language_and_the_persons_choice_wins(w: World) -> None:
    w.phone(language="hi")
    event = await w.known(language="en")
    assert event.challenge_id is not None
    w.press_start(PHONE, event.challenge_id.hex)
    shown = await w.says(PHONE, "Sunita S.")
    assert "Booth president" in shown.text
    w.write(PHONE, "/language hi")
    await w.says(PHONE, "अब से हिन्दी में")
    w.press_start(PHONE, event.challenge_id.hex)
    await w.says(PHONE, "सुनीता श.")


async def test_b2_unknown_malformed_over_and_foreign_links_get_one_text(w: World) -> None:
    w.phone(PHONE, OTHER)
    mine, theirs = await w.link(PHONE), await w.known(OTHER)
    assert mine.challenge_id is not None
    assert theirs.challenge_id is not None
    texts = set()
    for number, payload in (
        (OTHER, "unknown-handle"), (OTHER, "x" * 64), (PHONE, theirs.challenge_id.hex),
    ):  # fmt: skip
        said = len(w.from_bot(number))
        w.press_start(number, payload)
        texts.add((await w.says(number, NEUTRAL, after=said)).text)
    for kind, payload in ((OTHER, mine.challenge_id.hex), (OTHER, theirs.challenge_id.hex)):
        await w.rows("UPDATE invitation SET state = 'verified', not_after = now() - interval '1 day'")
        said = len(w.from_bot(kind))
        w.press_start(kind, payload)
        texts.add((await w.says(kind, NEUTRAL, after=said)).text)
    assert len(texts) == 1
    assert "बूथ" not in texts.pop()


async def test_b3_starting_again_changes_nothing(w: World) -> None:
    w.phone()
    event = await w.known()
    assert event.challenge_id is not None
    for _ in range(3):
        w.press_start(PHONE, event.challenge_id.hex)
    await until(lambda: _count(w, 3))
    w.share()
    await w.says(PHONE, YES, button=True)
    before = dict(await w.account())
    said = len(w.from_bot())
    w.press_start(PHONE, event.challenge_id.hex)
    await w.says(PHONE, YES, button=True, after=said)
    assert dict(await w.account()) == before
    assert await w.replies() == []


async def _count(w: World, messages: int) -> bool:
    return len(w.from_bot()) >= messages


async def test_b4_a_first_message_that_is_no_start_is_answered(w: World) -> None:
    w.phone(language="en")
    w.write(PHONE, "hello")
    assert "six-digit code" in (await w.says(PHONE, "buttons under the invitation")).text


async def test_b5_the_own_contact_links_the_account_and_the_keyboard_goes(w: World) -> None:
    w.phone()
    event = await w.link()
    account = await w.account()
    assert set(account["prints"]) == set(w.asking.prints(PHONE).values())
    assert PHONE.removeprefix("+91") not in str(dict(account))
    assert account["contact_shared_at"] is not None
    removals = [call for call in w.calls("sendMessage") if "remove_keyboard" in call.get("reply_markup", "")]
    assert len(removals) == 1
    assert event.challenge_id is not None
    labels = [button["text"] for row in (await w.says(PHONE, YES, button=True)).inline for button in row]
    assert labels == [YES, NAMED, NO]


@pytest.mark.parametrize(
    "kind", [ContactKind.OTHER, ContactKind.FORGED, ContactKind.FORWARDED], ids=["other", "no user id", "forwarded"]
)
async def test_b6_a_contact_that_is_not_the_own_one_is_refused_and_changes_nothing(w: World, kind: ContactKind) -> None:
    w.phone(PHONE, OTHER)
    event = await w.known()
    assert event.challenge_id is not None
    w.press_start(OTHER, event.challenge_id.hex)
    await w.says(OTHER, "सुनीता")
    w.share(OTHER, kind, PHONE)
    assert REFUSED in (await w.says(OTHER, REFUSED)).text
    assert await w.account(OTHER) is None


async def test_b6_a_typed_number_is_refused(w: World) -> None:
    w.phone()
    event = await w.known()
    assert event.challenge_id is not None
    w.press_start(PHONE, event.challenge_id.hex)
    w.write(PHONE, "+91 55500 00210")
    await w.says(PHONE, "टाइप किए गए नंबर")
    assert await w.account() is None


async def test_b6_the_own_contact_of_another_phone_than_the_invited_one_is_refused(w: World) -> None:
    w.phone(PHONE, OTHER)
    event = await w.known(PHONE)
    assert event.challenge_id is not None
    w.press_start(OTHER, event.challenge_id.hex)
    w.share(OTHER)
    await w.says(OTHER, "जो आमंत्रण में दर्ज है")
    assert await w.account(OTHER) is None


async def test_b7_a_phone_that_another_account_holds_moves_only_with_a_code_and_both_are_told(w: World) -> None:
    w.phone()
    await w.link()
    old_id = w.sandbox.world.account(PHONE).id
    _move_number(w)
    event = await w.known()
    await w.settled()
    assert event.challenge_id is not None
    w.press_start(OTHER, event.challenge_id.hex)
    w.share(OTHER)
    await w.says(OTHER, "किसी और टेलीग्राम खाते से जुड़ा है")
    old = await w.one("SELECT * FROM telegram_account WHERE user_id = $1", old_id)
    assert old["prints"]
    assert old["contact_shared_at"] is None
    warned = w.sandbox.world.telegram.chats[old_id].messages
    await until(lambda: _said(warned, "किसी और टेलीग्राम खाते ने"))
    w.write(OTHER, "482107")
    reply = await w.reply()
    await w.judge(reply, event.challenge_id, Result.VERIFIED)
    await w.says(OTHER, "हो गया ✓")
    await until(lambda: _said(warned, "अब किसी और टेलीग्राम खाते से जुड़ा है"))
    assert not (await w.one("SELECT prints FROM telegram_account WHERE user_id = $1", old_id))["prints"]
    assert (await w.account(OTHER))["prints"] == list(w.asking.prints(PHONE).values())


async def test_b7_a_wrong_code_moves_nothing(w: World) -> None:
    w.phone()
    first = await w.link()
    old_id = w.sandbox.world.account(PHONE).id
    _move_number(w)
    assert first.challenge_id is not None
    w.press_start(OTHER, first.challenge_id.hex)
    w.share(OTHER)
    await w.says(OTHER, "किसी और टेलीग्राम खाते से जुड़ा है")
    w.write(OTHER, "000000")
    await w.judge(await w.reply(), first.challenge_id, Result.WRONG, guesses_left=4)
    await w.says(OTHER, "4 मौके")
    assert (await w.one("SELECT prints FROM telegram_account WHERE user_id = $1", old_id))["prints"]
    assert await w.account(OTHER) is None


async def test_b7_confirming_another_invitation_moves_no_contested_phone(w: World) -> None:
    w.phone(PHONE, OTHER)
    await w.link()
    old_id = w.sandbox.world.account(PHONE).id
    own = await w.link(OTHER)
    w.sandbox.world.account(OTHER).phone = PHONE
    w.share(OTHER)
    await w.says(OTHER, "किसी और टेलीग्राम खाते से जुड़ा है")
    w.tap(YES, OTHER)
    assert own.challenge_id is not None
    await w.judge(await w.reply(), own.challenge_id, Result.VERIFIED)
    await w.says(OTHER, "हो गया ✓")
    assert (await w.one("SELECT prints FROM telegram_account WHERE user_id = $1", old_id))["prints"]
    assert (await w.account(OTHER))["prints"] == list(w.asking.prints(OTHER).values())


def _move_number(w: World) -> None:
    """The number of PHONE belongs to a new Telegram account, which OTHER's phone shows; the old one stays."""
    w.phone(OTHER)
    w.sandbox.world.account(OTHER).phone = PHONE


async def _said(messages: Iterable[Message], text: str) -> bool:
    return any(text in message.text for message in messages)


async def test_a_link_older_than_90_days_is_asked_again_before_it_may_confirm(w: World) -> None:
    w.phone()
    await w.link()
    w.clock.ahead = timedelta(days=91)
    w.asking.now = w.clock()
    await w.invite()
    await until(lambda: _sms(w, 2))  # an old link is not used for sending either
    w.tap(YES)
    await w.settled()
    assert await w.replies() == []
    w.sandbox.world.skew = timedelta(days=91).total_seconds()
    w.press_start(PHONE)
    said = len(w.from_bot())
    w.share()
    await w.says(PHONE, YES, button=True, after=said)
    w.tap(YES)
    assert w.evidence(await w.reply()).kind == "tap"


async def _sms(w: World, count: int) -> bool:
    return len(w.sms()) >= count
