"""From the link of an SMS to a linked account: B1 to B7."""


from shared.events import Result, TapEvidence, Via
from tests.integration.notifier_bot.world import PHONE, World

YES, NAMED, NO = "✓ हाँ, स्वीकार है", "✓ हाँ, सूचना में मेरा नाम भी दें", "✕ यह मैं नहीं हूँ"


async def test_link_contact_and_tap_end_in_a_reply_and_its_outcome_in_the_same_message(w: World) -> None:
    w.phone()
    event = await w.link()
    w.tap(YES)
    reply = await w.reply()
    evidence = w.evidence(reply)
    assert isinstance(evidence, TapEvidence)
    assert (evidence.act, evidence.name_consent, evidence.challenge_id) == ("confirm", False, event.challenge_id)
    assert reply.via is Via.TELEGRAM
    assert event.challenge_id is not None
    await w.judge(reply, event.challenge_id, Result.VERIFIED)
    done = await w.says(PHONE, "हो गया ✓")
    assert done.inline == []
    assert "बूथ अध्यक्ष" in done.text
