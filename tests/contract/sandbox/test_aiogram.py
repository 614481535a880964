"""An unmodified aiogram 3.31 bot against the sandbox: every answer parses, every refusal is the right exception."""

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetGameHighScores
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    CallbackQuery,
    ChatMemberAdministrator,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    Message,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    Update,
)
from aiohttp import web

from tests.contract.sandbox.conftest import ANITA, RAVI, Control

KINDS = ["message", "callback_query", "my_chat_member", "chat_member", "chat_join_request"]
CONFIRM = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Confirm", callback_data="c:1")]])
SHARE = ReplyKeyboardMarkup(keyboard=[[KeyboardButton(text="Share my number", request_contact=True)]])


async def user_id(control: Control, phone: str = ANITA) -> int:
    return int((await control.get(f"/phones/{phone}"))["telegram"]["user_id"])


async def started(control: Control, bot: Bot, phone: str = ANITA) -> int:
    await control.post(f"/phones/{phone}/start", payload="")
    updates = await bot.get_updates(allowed_updates=KINDS)
    await bot.get_updates(offset=updates[-1].update_id + 1)
    return await user_id(control, phone)


async def next_update(bot: Bot) -> Update:
    updates = await bot.get_updates(allowed_updates=KINDS, timeout=30)
    assert updates, "no update came within 30 s"
    await bot.get_updates(offset=updates[0].update_id + 1)
    return updates[0]


def message(update: Update) -> Message:
    assert update.message is not None
    return update.message


async def test_a_deep_link_arrives_as_start_with_its_payload(bot: Bot, control: Control) -> None:
    await control.post(f"/phones/{ANITA}/start", payload="9fK2_handle-22")
    got = message(await next_update(bot))
    assert got.text == "/start 9fK2_handle-22"
    assert got.chat.type == "private"
    assert got.from_user is not None
    assert got.from_user.language_code == "hi"
    assert got.entities is not None
    assert got.entities[0].type == "bot_command"


async def test_an_own_contact_carries_the_number_and_the_id_of_its_sender(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    asked = await bot.send_message(chat_id, "Share your number", reply_markup=SHARE)
    assert asked.reply_markup is None, "a reply keyboard is never echoed"
    await control.post(f"/phones/{ANITA}/contact", kind="own")
    got = message(await next_update(bot))
    assert got.contact is not None
    assert (got.contact.phone_number, got.contact.user_id) == (ANITA.lstrip("+"), chat_id)
    assert got.from_user is not None
    assert got.from_user.id == chat_id


@pytest.mark.parametrize(
    ("body", "phone", "owner"),
    [
        ({"kind": "other", "phone": RAVI}, RAVI, "ravi"),
        ({"kind": "forged", "phone": RAVI}, RAVI, None),
        ({"kind": "forwarded", "phone": "+915550000999"}, "+915550000999", "anita"),
    ],
)
async def test_a_contact_that_is_not_the_own_one_can_be_told_apart(
    bot: Bot, control: Control, body: dict[str, Any], phone: str, owner: str | None
) -> None:
    ids = {"anita": await started(control, bot), "ravi": await user_id(control, RAVI)}
    await control.post(f"/phones/{ANITA}/contact", **body)
    got = message(await next_update(bot))
    assert got.contact is not None
    assert got.contact.phone_number == phone.lstrip("+")
    assert got.contact.user_id == (ids[owner] if owner else None)
    assert (got.forward_origin is not None) == (body["kind"] == "forwarded")


async def test_a_tap_is_answered_once_and_the_message_is_edited(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    sent = await bot.send_message(chat_id, "Do you accept?", reply_markup=CONFIRM)
    assert sent.reply_markup is not None
    assert sent.reply_markup.model_dump() == CONFIRM.model_dump()
    await control.post(f"/phones/{ANITA}/tap", label="Confirm")
    query = (await next_update(bot)).callback_query
    assert isinstance(query, CallbackQuery)
    assert (query.data, query.from_user.id) == ("c:1", chat_id)
    assert await bot.answer_callback_query(query.id, text="Done")
    assert (await control.get(f"/phones/{ANITA}/chat"))["toast"] == "Done"
    with pytest.raises(TelegramBadRequest, match="query is too old and response timeout expired"):
        await bot.answer_callback_query(query.id)
    edited = await bot.edit_message_text(
        "<b>Verified</b>", chat_id=chat_id, message_id=sent.message_id, parse_mode="HTML"
    )
    assert isinstance(edited, Message)
    assert (edited.text, edited.html_text, edited.reply_markup) == ("Verified", "<b>Verified</b>", None)
    with pytest.raises(TelegramBadRequest, match="message is not modified: specified new message content"):
        await bot.edit_message_text("<b>Verified</b>", chat_id=chat_id, message_id=sent.message_id, parse_mode="HTML")


async def test_a_strangers_tap_and_invented_data_arrive_as_what_they_are(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    await bot.send_message(chat_id, "Do you accept?", reply_markup=CONFIRM)
    await control.post(f"/phones/{RAVI}/tap", label="Confirm", chat_of=ANITA, forged_data="c:999")
    query = (await next_update(bot)).callback_query
    assert query is not None
    assert query.message is not None
    assert (query.data, query.message.chat.id) == ("c:999", chat_id)
    assert query.from_user.id == await user_id(control, RAVI)


async def test_updates_can_come_three_times_and_in_reverse(bot: Bot, control: Control) -> None:
    await control.put("/telegram", copies=3, held=True)
    await control.post(f"/phones/{ANITA}/text", text="one")
    await control.post(f"/phones/{ANITA}/text", text="two")
    assert await bot.get_updates() == []
    await control.post("/updates/reverse")
    await control.put("/telegram", copies=1)
    assert [message(u).text for u in await bot.get_updates()] == ["two"] * 3 + ["one"] * 3


async def test_a_query_older_than_150_seconds_is_refused_and_its_update_expires(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    await bot.send_message(chat_id, "Do you accept?", reply_markup=CONFIRM)
    await control.post(f"/phones/{ANITA}/tap", data="c:1")
    query = (await bot.get_updates())[0].callback_query
    assert query is not None
    await control.post("/clock", seconds=151)
    assert await bot.get_updates() == []
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query(query.id)


async def test_nobody_is_written_to_before_start_nor_after_a_block(bot: Bot, control: Control) -> None:
    chat_id = await user_id(control)
    with pytest.raises(TelegramForbiddenError, match="bot can't initiate conversation with a user"):
        await bot.send_message(chat_id, "hello")
    await started(control, bot)
    await bot.send_message(chat_id, "hello")
    await control.post(f"/phones/{ANITA}/block")
    change = (await next_update(bot)).my_chat_member
    assert change is not None
    assert (change.old_chat_member.status, change.new_chat_member.status) == ("member", "kicked")
    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await bot.send_message(chat_id, "hello")
    await control.post(f"/phones/{ANITA}/unblock")
    await bot.send_message(chat_id, "welcome back")
    await control.post(f"/phones/{ANITA}/delete-account")
    with pytest.raises(TelegramForbiddenError, match="user is deactivated"):
        await bot.send_message(chat_id, "hello")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (" \n ", "message text is empty"),
        ("x" * 4097, "message is too long"),
        ("<b>open", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<i>a</b>", "Unmatched end tag at byte offset 4"),
        ("<blink>a</blink>", 'Unsupported start tag "blink" at byte offset 0'),
        ("a < b", "Unclosed start tag at byte offset 2"),
    ],
)
async def test_text_that_telegram_refuses_is_refused(bot: Bot, control: Control, text: str, complaint: str) -> None:
    chat_id = await started(control, bot)
    with pytest.raises(TelegramBadRequest, match=complaint):
        await bot.send_message(chat_id, text, parse_mode="HTML")


async def test_callback_data_is_limited_to_64_bytes(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    keyboard = [[InlineKeyboardButton(text="x", callback_data="क" * 22)]]
    with pytest.raises(TelegramBadRequest, match="BUTTON_DATA_INVALID"):
        await bot.send_message(chat_id, "x", reply_markup=InlineKeyboardMarkup(inline_keyboard=keyboard))


async def test_unknown_chats_messages_and_methods_are_refused(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(424242, "x")
    with pytest.raises(TelegramBadRequest, match="message to edit not found"):
        await bot.edit_message_text("x", chat_id=chat_id, message_id=4242)
    with pytest.raises(TelegramBadRequest, match="message can't be edited"):
        await bot.edit_message_text("x", chat_id=chat_id, message_id=1)
    with pytest.raises(TelegramBadRequest, match="message to delete not found"):
        await bot.delete_message(chat_id, 4242)
    with pytest.raises(TelegramNotFound, match="method not found"):
        await bot(GetGameHighScores(user_id=1))


async def test_a_channel_post_has_a_sender_chat_and_no_author(bot: Bot, control: Control) -> None:
    channel = (await control.post("/channels", title="Booth 223"))["chat_id"]
    post = await bot.send_message(channel, "<b>New</b> appointment", parse_mode="HTML")
    assert post.from_user is None
    assert post.sender_chat is not None
    assert post.sender_chat.id == channel
    await control.put(f"/channels/{channel}/bot", status="administrator", can_post_messages=False)
    with pytest.raises(TelegramBadRequest, match="need administrator rights in the channel chat"):
        await bot.send_message(channel, "x")
    await control.put(f"/channels/{channel}/bot", status="kicked")
    with pytest.raises(TelegramForbiddenError, match="bot was kicked from the channel chat"):
        await bot.send_message(channel, "x")


async def test_an_invite_link_counts_who_came_by_it(bot: Bot, control: Control) -> None:
    channel = (await control.post("/channels", title="Booth 223"))["chat_id"]
    await bot.get_updates(offset=-1, allowed_updates=KINDS)
    link = await bot.create_chat_invite_link(channel, name="booth 223", member_limit=1)
    before = await bot.get_chat_member_count(channel)
    await bot.get_updates(offset=(await bot.get_updates())[-1].update_id + 1)
    await control.post(f"/phones/{ANITA}/join", link=link.invite_link)
    change = (await next_update(bot)).chat_member
    assert change is not None
    assert change.invite_link is not None
    assert change.invite_link.invite_link == link.invite_link
    assert (change.old_chat_member.status, change.new_chat_member.status) == ("left", "member")
    assert await bot.get_chat_member_count(channel) == before + 1
    async with control.http.post(
        f"{control.url}/control/phones/{RAVI}/join", json={"link": link.invite_link}
    ) as response:
        assert response.status == 403, "the link is full"
    assert (await bot.revoke_chat_invite_link(channel, link.invite_link)).is_revoked
    with pytest.raises(TelegramBadRequest, match="member limit can't be specified"):
        await bot.create_chat_invite_link(channel, member_limit=1, creates_join_request=True)


async def test_a_join_request_is_approved_or_declined_and_opens_the_chat(bot: Bot, control: Control) -> None:
    channel = (await control.post("/channels", title="Booth 223"))["chat_id"]
    await bot.get_updates(offset=(await bot.get_updates(allowed_updates=KINDS))[-1].update_id + 1)
    link = (await bot.create_chat_invite_link(channel, creates_join_request=True)).invite_link
    for phone in (ANITA, RAVI):
        await control.post(f"/phones/{phone}/join", link=link)
        request = (await next_update(bot)).chat_join_request
        assert request is not None
        await bot.send_message(request.user_chat_id, "a moment, please")
        if phone == RAVI:
            assert await bot.decline_chat_join_request(channel, request.from_user.id)
            with pytest.raises(TelegramForbiddenError, match="can't initiate"):
                await bot.send_message(request.user_chat_id, "sorry")
            continue
        assert await bot.approve_chat_join_request(channel, request.from_user.id)
        assert (await next_update(bot)).chat_member is not None
        with pytest.raises(TelegramBadRequest, match="USER_ALREADY_PARTICIPANT"):
            await bot.approve_chat_join_request(channel, request.from_user.id)
    with pytest.raises(TelegramBadRequest, match="HIDE_REQUESTER_MISSING"):
        await bot.decline_chat_join_request(channel, await user_id(control, RAVI))


async def test_a_migrated_group_names_its_new_id(bot: Bot, control: Control) -> None:
    group = (await control.post("/channels", title="Old", kind="group", bot="member"))["chat_id"]
    await bot.send_message(group, "x")
    new = int((await control.post(f"/channels/{group}/migrate"))["result"])
    with pytest.raises(TelegramMigrateToChat) as caught:
        await bot.send_message(group, "x")
    assert caught.value.migrate_to_chat_id == new
    await bot.send_message(new, "x")


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ({"status": 400}, TelegramBadRequest),
        ({"status": 401}, TelegramUnauthorizedError),
        ({"status": 403}, TelegramForbiddenError),
        ({"status": 409}, TelegramConflictError),
        ({"status": 500}, TelegramServerError),
        ({"status": 502, "stage": "after"}, TelegramServerError),
        ({"reset": True}, TelegramNetworkError),
        ({"reset": True, "stage": "after"}, TelegramNetworkError),
        ({"hang": 0.05}, TelegramNetworkError),
    ],
)
async def test_a_fault_hits_once_and_says_whether_the_call_took_effect(
    bot: Bot, control: Control, fault: dict[str, Any], raised: type[Exception]
) -> None:
    chat_id = await started(control, bot)
    await control.post("/faults", api="telegram", method="sendMessage", target=str(chat_id), **fault)
    with pytest.raises(raised):
        await bot.send_message(chat_id, "first")
    await bot.send_message(chat_id, "second")
    texts = [m["text"] for m in (await control.get(f"/phones/{ANITA}/chat"))["messages"] if m["from_bot"]]
    assert texts == (["first", "second"] if fault.get("stage") == "after" else ["second"])


async def test_a_429_carries_its_pause(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    await control.post("/faults", api="telegram", status=429, retry_after=7)
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(chat_id, "x")
    assert caught.value.retry_after == 7


async def test_the_published_rate_limits_can_be_switched_on(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    await control.put("/telegram", rate_limits=True)
    with pytest.raises(TelegramRetryAfter) as caught:
        await send_without_end(bot, chat_id)
    assert caught.value.retry_after == 1
    texts = [m["text"] for m in (await control.get(f"/phones/{ANITA}/chat"))["messages"] if m["from_bot"]]
    assert texts[:1] == ["0"]


async def send_without_end(bot: Bot, chat_id: int) -> None:
    """Two of these come within a second, sooner or later."""
    for number in itertools.count():
        await bot.send_message(chat_id, str(number))


async def test_a_second_poller_ends_the_first_with_409(bot: Bot) -> None:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(refused_poll(bot))
        while not first.done():
            with contextlib.suppress(TelegramConflictError):  # ours may be the one that arrives first
                await bot.get_updates(timeout=0)
    assert "terminated by other getUpdates request" in first.result()


async def refused_poll(bot: Bot) -> str:
    with pytest.raises(TelegramConflictError) as caught:
        await bot.get_updates(timeout=20)
    return str(caught.value)


async def test_a_long_poll_returns_when_something_happens(bot: Bot, control: Control) -> None:
    async with asyncio.TaskGroup() as group:
        poll = group.create_task(bot.get_updates(timeout=30))
        await control.post(f"/phones/{ANITA}/text", text="hello")
    assert [message(u).text for u in poll.result()] == ["hello"]


async def test_an_update_stays_until_it_is_confirmed_and_can_come_again_or_malformed(
    bot: Bot, control: Control
) -> None:
    await control.post(f"/phones/{ANITA}/text", text="hello")
    first = await bot.get_updates()
    assert await bot.get_updates() == first
    assert await bot.get_updates(offset=first[0].update_id + 1) == []
    await control.post("/updates/again", times=2)
    assert await bot.get_updates() == first * 2
    await control.post(f"/phones/{ANITA}/text", text="newer")
    await control.post("/updates/reverse")
    assert [message(u).text for u in await bot.get_updates()] == ["newer", "hello", "hello"]
    await control.post("/updates", update={"message": {"message_id": "no date, no chat"}})
    with pytest.raises(ClientDecodeError):
        await bot.get_updates()


async def test_chat_member_comes_only_to_those_who_ask(bot: Bot, control: Control) -> None:
    channel = (await control.post("/channels", title="Booth 223"))["chat_id"]
    await control.post(f"/phones/{ANITA}/join", chat_id=channel)
    assert [u.event_type for u in await bot.get_updates()] == ["my_chat_member"]


async def test_a_webhook_gets_each_update_with_its_secret_until_it_takes_it(bot: Bot, control: Control) -> None:
    seen: list[tuple[str, str]] = []

    async def receive(request: web.Request) -> web.Response:
        update = Update.model_validate(await request.json(), context={"bot": bot})
        seen.append((request.headers["X-Telegram-Bot-Api-Secret-Token"], message(update).text or ""))
        return web.Response(status=500 if len(seen) < 3 else 200)

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        await bot.set_webhook(hook, secret_token="s3cret", allowed_updates=KINDS)
        assert (await bot.get_webhook_info()).url == hook
        with pytest.raises(TelegramConflictError, match="can't use getUpdates method while webhook is active"):
            await bot.get_updates()
        await control.post(f"/phones/{ANITA}/text", text="one")
        await control.post(f"/phones/{ANITA}/text", text="two")
        async with asyncio.timeout(60):  # until the sandbox has heard the fourth answer
            while len(await control.get("/calls", line="webhook")) < 4:
                await control.get("/wait", kind="call", method="message", after=0, timeout=0.05)
        assert seen == [("s3cret", "one")] * 3 + [("s3cret", "two")]
        await bot.delete_webhook()
        assert await bot.get_updates() == []
    finally:
        await runner.cleanup()


async def test_a_webhook_needs_https_unless_it_is_on_this_machine(bot: Bot) -> None:
    with pytest.raises(TelegramBadRequest, match="An HTTPS URL must be provided for webhook"):
        await bot.set_webhook("http://example.org/hook")
    with pytest.raises(TelegramBadRequest, match="unallowed characters"):
        await bot.set_webhook("https://example.org/hook", secret_token="no blanks")


async def test_everything_else_that_the_bot_calls_parses(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    channel = (await control.post("/channels", title="Booth 223", username="booth223"))["chat_id"]
    me = await bot.get_me()
    assert (me.is_bot, me.username, me.id) == (True, "boothline_bot", bot.id)
    commands = [BotCommand(command="start", description="Start")]
    assert await bot.set_my_commands(commands, language_code="hi")
    assert [c.command for c in await bot.get_my_commands(language_code="hi")] == ["start"]
    assert await bot.delete_my_commands(language_code="hi")
    assert await bot.set_my_description("Confirms appointments")
    assert (await bot.get_my_description()).description == "Confirms appointments"
    assert (await bot.get_my_name()).name
    assert await bot.send_chat_action(chat_id, "typing")
    photo = await bot.send_photo(chat_id, BufferedInputFile(b"png", "x.png"), caption="a picture")
    assert photo.photo
    assert photo.caption == "a picture"
    assert (await bot.send_document(chat_id, "file-id")).document is not None
    sent = await bot.send_message(chat_id, "text", reply_markup=ReplyKeyboardRemove(), protect_content=True)
    assert sent.has_protected_content
    assert (await bot.copy_message(chat_id, chat_id, sent.message_id)).message_id != sent.message_id
    assert isinstance(
        await bot.edit_message_reply_markup(chat_id=chat_id, message_id=sent.message_id, reply_markup=CONFIRM), Message
    )
    assert await bot.delete_message(chat_id, sent.message_id)
    assert (await bot.get_chat("@booth223")).title == "Booth 223"
    assert (await bot.get_chat(chat_id)).first_name == "Anita"
    assert isinstance(await bot.get_chat_member(channel, bot.id), ChatMemberAdministrator)
    assert (await bot.get_chat_member(channel, chat_id)).status == "left"
    link = await bot.create_chat_invite_link(channel)
    assert (await bot.edit_chat_invite_link(channel, link.invite_link, name="new name")).name == "new name"
    assert await bot.leave_chat(channel)
    with pytest.raises(TelegramForbiddenError, match="bot is not a member of the channel chat"):
        await bot.get_chat(channel)


async def test_the_call_log_keeps_every_call_with_what_it_said_and_got(bot: Bot, control: Control) -> None:
    chat_id = await started(control, bot)
    await bot.send_message(chat_id, "hello")
    with pytest.raises(TelegramBadRequest):
        await bot.send_message(1, "nobody")
    refused, sent = await control.get("/calls", line="telegram", method="sendMessage")
    assert (sent["params"]["text"], sent["status"], sent["response"]["result"]["text"]) == ("hello", 200, "hello")
    assert (refused["target"], refused["status"]) == ("1", 400)
