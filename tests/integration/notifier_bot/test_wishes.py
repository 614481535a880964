"""Language, announcements, privacy, unsupported content, blocking: B4, B15, B17, and the order of updates (B32)."""

from typing import Any

import orjson
import pytest

from services.sandbox.domain import membership, person
from services.sandbox.domain.chats import Membership
from shared.events import ChallengeVerified, Result
from tests.integration.notifier_bot.test_linking import YES
from tests.integration.notifier_bot.world import OTHER, PHONE, World, until


async def test_start_without_a_link_welcomes_and_says_what_to_do(w: World) -> None:
    w.phone()
    w.press_start()
    await w.says(PHONE, "लिंक वाला SMS")


async def test_start_without_a_link_asks_again_what_is_open(w: World) -> None:
    w.phone()
    await w.link()
    said = len(w.from_bot())
    w.press_start()
    await w.says(PHONE, YES, button=True, after=said)


async def test_a_language_is_chosen_by_word_or_button_and_kept(w: World) -> None:
    w.phone()
    w.write(PHONE, "/language")
    await w.says(PHONE, "English", button=True)
    w.tap("English")
    await w.says(PHONE, "I speak English")
    w.write(PHONE, "/privacy")
    await w.says(PHONE, "What happens with your data")
    w.write(PHONE, "/language hi")
    await w.says(PHONE, "अब से हिन्दी में")
    w.write(PHONE, "/help")
    await w.says(PHONE, "6 अंकों का कोड")


async def test_stop_ends_announcements_and_start_resumes_them(w: World) -> None:
    w.phone()
    await w.link()
    w.write(PHONE, "/stop")
    await w.says(PHONE, "अब आपको सूचनाएँ नहीं")
    assert (await w.account())["announcements"] is False
    w.press_start()
    await w.says(PHONE, "फिर से भेजी जाएँगी")
    assert (await w.account())["announcements"] is True


async def test_a_stop_before_the_chat_is_linked_holds_for_the_account_that_it_links_later(w: World) -> None:
    w.phone()
    w.write(PHONE, "/stop")
    await w.says(PHONE, "अब आपको सूचनाएँ नहीं")
    await w.link()
    assert (await w.account())["announcements"] is False


@pytest.mark.parametrize(
    "content",
    [
        {"photo": [{"file_id": "p", "file_unique_id": "u", "width": 1, "height": 1}]},
        {
            "sticker": {
                "file_id": "s", "file_unique_id": "u", "type": "regular", "width": 1, "height": 1,
                "is_animated": False, "is_video": False,
            }
        },
        {"location": {"latitude": 23.2, "longitude": 77.4}},
    ],
    ids=["photo", "sticker", "location"],
)  # fmt: skip
async def test_b15_what_the_bot_cannot_read_gets_help(w: World, content: dict[str, Any]) -> None:
    w.phone()
    w.write(PHONE, **content)
    await w.says(PHONE, "6 अंकों का कोड")


async def test_b15_a_group_is_sent_to_the_private_chat_and_events_of_channels_are_passed_over(w: World) -> None:
    w.phone()
    tg, now = w.sandbox.world.telegram, w.sandbox.now()
    owner = w.sandbox.world.account(PHONE)
    group = tg.room("group", "Booth 210")
    membership.set_bot(tg, group, Membership("member"), now, by=owner)
    message = tg.put(group, now, sender=owner, text="hello bot")
    tg.updates.add("message", tg.show(group, message), now)
    tg.touch("updates")
    await until(lambda: _in(group.messages, "निजी चैट"))
    channel = tg.room("channel", "News")
    membership.set_bot(tg, channel, Membership("administrator", frozenset({"can_post_messages"})), now, by=owner)
    w.phone(OTHER)
    membership.join(tg, w.sandbox.world.account(OTHER), now, chat=channel)
    await w.settled()
    states = {row["state"] for row in await w.rows("SELECT state FROM telegram_update")}
    assert states == {"done"}


async def _in(messages: object, text: str) -> bool:
    return any(m.mine and text in m.text for m in messages)  # type: ignore[attr-defined] # a deque of messages


async def test_b17_blocking_the_bot_sends_the_next_invitation_by_sms_at_once(w: World) -> None:
    w.phone()
    await w.link()
    texts = len(w.sms())
    tg, now = w.sandbox.world.telegram, w.sandbox.now()
    person.set_blocked(tg, w.sandbox.world.account(PHONE), now, blocked=True)
    await until(lambda: _reachable(w, wanted=False))
    event = await w.invite()
    assert await until(lambda: w.state_of(event)) == "accepted"
    assert len(w.sms()) == texts + 1
    assert not [c for c in w.calls("sendMessage") if c.get("text", "").startswith("482107")]


async def test_b17_coming_back_makes_reachable_and_asks_only_what_is_still_open(w: World) -> None:
    w.phone()
    first = await w.link()
    tg, account = w.sandbox.world.telegram, w.sandbox.world.account(PHONE)
    person.set_blocked(tg, account, w.sandbox.now(), blocked=True)
    await until(lambda: _reachable(w, wanted=False))
    second = await w.invite()
    await until(lambda: w.state_of(second))
    w.tap(YES)  # the tap of a blocked bot's old button still arrives
    reply = await w.reply()
    assert first.challenge_id is not None
    await w.judge(reply, first.challenge_id, Result.VERIFIED)
    await w.decided(first, ChallengeVerified)
    await w.settled()
    said = len(w.from_bot())
    person.set_blocked(tg, account, w.sandbox.now(), blocked=False)
    await until(lambda: _reachable(w, wanted=True))
    await w.settled()
    assert len(w.from_bot()) == said + 1
    row = await w.one("SELECT challenge_id FROM telegram_question ORDER BY asked_at DESC LIMIT 1")
    assert row["challenge_id"] == second.challenge_id


async def _reachable(w: World, *, wanted: bool) -> bool:
    return bool((await w.account())["reachable"]) is wanted


async def test_b32_updates_in_reverse_order_and_twice_end_in_the_same_state(bare: World) -> None:
    bare.phone()
    world = bare.sandbox.world
    bare.write(PHONE, "/language en")
    bare.write(PHONE, "/language hi")
    bare.write(PHONE, "/language en")
    person.set_blocked(world.telegram, world.account(PHONE), bare.sandbox.now(), blocked=True)
    person.set_blocked(world.telegram, world.account(PHONE), bare.sandbox.now(), blocked=False)
    for entry in list(world.telegram.updates.pending):
        world.telegram.updates.pending.append(entry)
    world.telegram.updates.reverse()
    async with bare.service():
        await bare.settled()
        dialog = await bare.one("SELECT state FROM dialog")
        assert orjson.loads(dialog["state"])["language"] == "en"


async def test_b32_an_older_wish_that_arrives_after_the_newer_one_changes_nothing(w: World) -> None:
    w.phone()
    await w.link()
    tg = w.sandbox.world.telegram
    tg.updates.held = True
    w.write(PHONE, "/stop")
    w.press_start()
    early, late = [entry.body for entry in tg.updates.pending][-2:]  # before them, what no poll has confirmed yet
    tg.updates.pending.clear()
    for body in (late, early):  # by webhook they may come in any order
        await w.bot.take(body)
        await w.settled()
    assert (await w.account())["announcements"] is True
