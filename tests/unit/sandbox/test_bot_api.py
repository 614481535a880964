"""The Bot API's rules, without HTTP."""

import json
from typing import Any

import pytest

from services.sandbox.domain import chats, membership, person, telegram
from services.sandbox.domain.chats import Membership
from services.sandbox.domain.failures import BotApiRefusal, NoSuchButton, NoTelegram, TooManyPhones
from services.sandbox.domain.methods.bot import check_url
from services.sandbox.domain.methods.chats import INVITES_KEPT
from services.sandbox.domain.params import Params
from services.sandbox.domain.person import ContactKind
from services.sandbox.domain.world import World
from tests.unit.sandbox import worlds
from tests.unit.sandbox.worlds import NOW, call

BUTTONS = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}, {"text": "No", "callback_data": "n"}]]}


@pytest.fixture
def world() -> World:
    return worlds.world()


def started(world: World) -> int:
    account = worlds.phone(world).account
    assert account is not None
    person.start(world.telegram, account, NOW)
    return account.id


def test_parameters_arrive_as_text_or_as_json() -> None:
    params = Params({"a": "12", "b": 12, "c": "x", "d": "1.5", "e": "true", "f": False, "g": json.dumps([1]), "h": [1]})
    assert [params.integer(k) for k in "abcd"] == [12, 12, 0, 0]
    assert [params.flag(k) for k in "efg"] == [True, False, False]
    assert params.nested("g", "g") == params.nested("h", "h") == [1]
    with pytest.raises(BotApiRefusal, match="can't parse x JSON object"):
        params.nested("c", "x")


def test_a_user_id_does_not_show_the_phone_and_is_the_same_after_a_restart(world: World) -> None:
    one, other = worlds.phone(world).account, worlds.phone(worlds.world()).account
    assert one is not None
    assert other is not None
    assert one.id == other.id
    assert 100_000_000 <= one.id < 1_000_000_000


def test_update_ids_of_a_later_start_are_higher(world: World) -> None:
    later = World(username="b", now=NOW + 60, nonce="1" * 16, touch=lambda _: None)
    assert later.telegram.updates.next_id == world.telegram.updates.next_id + 600


def test_an_edit_without_a_keyboard_takes_the_buttons_away(world: World) -> None:
    chat_id = started(world)
    sent = call(world, "sendMessage", chat_id=str(chat_id), text="?", reply_markup=json.dumps(BUTTONS))
    edited = call(world, "editMessageText", chat_id=chat_id, message_id=sent["message_id"], text="done")
    assert "reply_markup" in sent
    assert "reply_markup" not in edited
    assert edited["edit_date"] == int(NOW)


@pytest.mark.parametrize(
    ("markup", "complaint"),
    [
        ([1], "object expected as reply markup"),
        ({"inline_keyboard": "x"}, "can't parse reply keyboard markup"),
        ({"inline_keyboard": [[{"text": "x"}]]}, "Text buttons are unallowed in the inline keyboard"),
        ({"inline_keyboard": [[{"text": " ", "callback_data": "x"}]]}, "BUTTON_TEXT_EMPTY"),
        ({"inline_keyboard": [[{"text": "x", "callback_data": "x" * 65}]]}, "BUTTON_DATA_INVALID"),
        ({"inline_keyboard": [[{"text": "x", "url": "ftp://x"}]]}, "Unsupported URL protocol"),
        ({"keyboard": [[{"text": ""}]]}, "can't parse keyboard button"),
    ],
)
def test_a_keyboard_that_telegram_refuses_is_refused(world: World, markup: Any, complaint: str) -> None:
    chat_id = started(world)
    with pytest.raises(BotApiRefusal) as caught:
        call(world, "sendMessage", chat_id=chat_id, text="x", reply_markup=markup)
    assert complaint in caught.value.description


def test_a_phone_number_can_be_asked_for_in_a_private_chat_only(world: World) -> None:
    room = world.telegram.room("group", "Booth")
    room.bot = Membership("member")
    keyboard = {"keyboard": [[{"text": "Share", "request_contact": True}]]}
    with pytest.raises(BotApiRefusal, match="phone number can be requested in private chats only"):
        call(world, "sendMessage", chat_id=room.id, text="x", reply_markup=keyboard)


def test_a_reply_keyboard_stays_until_it_is_removed_or_the_number_is_shared(world: World) -> None:
    chat_id = started(world)
    account, chat = world.telegram.accounts[chat_id], world.telegram.chats[chat_id]
    keyboard = {"keyboard": [[{"text": "Share", "request_contact": True}], ["plain"]]}
    for text, markup, kept in (("a", keyboard, True), ("b", None, True), ("c", {"remove_keyboard": True}, False)):
        call(world, "sendMessage", chat_id=chat_id, text=text, reply_markup=markup)
        assert (chat.reply_keyboard is not None) == kept
    call(world, "sendMessage", chat_id=chat_id, text="d", reply_markup=keyboard)
    person.contact(world.telegram, account, NOW, ContactKind.FORGED, {"phone_number": "1"})
    assert chat.reply_keyboard is not None
    person.contact(world.telegram, account, NOW, ContactKind.OWN, {})
    assert chat.reply_keyboard is None


def test_an_old_keyboard_still_works_and_the_newest_label_wins(world: World) -> None:
    chat_id = started(world)
    first = call(world, "sendMessage", chat_id=chat_id, text="1", reply_markup=BUTTONS)
    second = call(world, "sendMessage", chat_id=chat_id, text="2", reply_markup=BUTTONS)
    chat = world.telegram.chats[chat_id]
    find = person.find_button
    assert find(chat, label="Yes", data=None, message_id=None)[0].id == second["message_id"]
    assert find(chat, label="Yes", data=None, message_id=first["message_id"])[0].id == first["message_id"]
    with pytest.raises(NoSuchButton):
        find(chat, label="Maybe", data=None, message_id=None)


def test_writing_to_a_blocked_bot_unblocks_it(world: World) -> None:
    chat_id = started(world)
    account = world.telegram.accounts[chat_id]
    person.set_blocked(world.telegram, account, NOW, blocked=True)
    person.set_blocked(world.telegram, account, NOW, blocked=True)
    person.send(world.telegram, account, NOW, text="hello")
    kinds = [p.kind for p in world.telegram.updates.pending]
    assert kinds == ["message", "my_chat_member", "my_chat_member", "message"]


def test_a_deleted_account_does_nothing_any_more(world: World) -> None:
    chat_id = started(world)
    account = world.telegram.accounts[chat_id]
    person.delete_account(world.telegram, account)
    with pytest.raises(NoTelegram):
        person.send(world.telegram, account, NOW, text="x")
    with pytest.raises(NoTelegram):
        world.account(account.phone)


def test_a_person_who_asked_to_join_may_be_written_to_for_five_minutes(world: World) -> None:
    room, account = world.telegram.room("channel", "Booth"), worlds.phone(world).account
    assert account is not None
    room.bot = Membership("administrator", frozenset({"can_invite_users"}))
    link = call(world, "createChatInviteLink", chat_id=room.id, creates_join_request="true")["invite_link"]
    assert membership.join(world.telegram, account, NOW, url=link) == "requested"
    call(world, "sendMessage", chat_id=account.id, text="x", now=NOW + 299)
    with pytest.raises(BotApiRefusal, match="can't initiate conversation"):
        call(world, "sendMessage", chat_id=account.id, text="x", now=NOW + 301)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://127.0.0.1:8300/telegram", None),
        ("http://localhost:8300/telegram", None),
        ("https://example.org/telegram", None),
        ("https://example.org:8443/telegram", None),
        ("http://example.org/telegram", "An HTTPS URL must be provided"),
        ("https://example.org:444/telegram", "only on ports 80, 88, 443 or 8443"),
    ],
)
def test_a_webhook_goes_to_https_or_to_this_machine(url: str, complaint: str | None) -> None:
    if complaint is None:
        check_url(url)
        return
    with pytest.raises(BotApiRefusal) as caught:
        check_url(url)
    assert complaint in caught.value.description


def test_another_webhook_within_a_second_is_refused_with_429(world: World) -> None:
    call(world, "setWebhook", url="https://a.example.org")
    with pytest.raises(BotApiRefusal) as caught:
        call(world, "setWebhook", url="https://b.example.org", now=NOW + 0.5)
    assert caught.value.parameters == {"retry_after": 1}
    call(world, "setWebhook", url="https://a.example.org", now=NOW + 0.5)


def test_commands_are_checked_and_kept_per_language(world: World) -> None:
    good = json.dumps([{"command": "start", "description": "Start"}])
    call(world, "setMyCommands", commands=good, language_code="hi")
    assert call(world, "getMyCommands") == []
    assert call(world, "getMyCommands", language_code="hi")[0]["command"] == "start"
    with pytest.raises(BotApiRefusal, match="BOT_COMMAND_INVALID"):
        call(world, "setMyCommands", commands=json.dumps([{"command": "Not OK", "description": "x"}]))


def test_chats_and_queries_are_bounded(world: World) -> None:
    chat_id = started(world)
    account, chat = world.telegram.accounts[chat_id], world.telegram.chats[chat_id]
    call(world, "sendMessage", chat_id=chat_id, text="?", reply_markup=BUTTONS)
    message = chat.messages[-1]
    for n in range(telegram.QUERIES_KEPT + 10):
        person.tap(world.telegram, account, NOW, message, "y")
        call(world, "sendMessage", chat_id=chat_id, text=str(n))
    assert len(world.telegram.queries) == telegram.QUERIES_KEPT
    assert len(chat.messages) == chats.MESSAGES_KEPT
    with pytest.raises(BotApiRefusal, match="message to edit not found"):
        call(world, "editMessageText", chat_id=chat_id, message_id=message.id, text="too old")


def test_an_answer_shows_what_it_answers_unless_that_is_gone(world: World) -> None:
    chat_id = started(world)
    answer = call(world, "sendMessage", chat_id=chat_id, text="x", reply_parameters=json.dumps({"message_id": 1}))
    assert answer["reply_to_message"]["text"] == "/start"
    gone = {"message_id": 4242}
    with pytest.raises(BotApiRefusal, match="message to be replied not found"):
        call(world, "sendMessage", chat_id=chat_id, text="x", reply_parameters=gone)
    loose = gone | {"allow_sending_without_reply": True}
    assert "reply_to_message" not in call(world, "sendMessage", chat_id=chat_id, text="x", reply_parameters=loose)


def test_invite_links_and_channels_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    room = world.telegram.room("channel", "Booth")
    room.bot = Membership("administrator", frozenset({"can_invite_users"}))
    for _ in range(INVITES_KEPT + 20):
        call(world, "createChatInviteLink", chat_id=room.id)
    assert len(room.invites) == INVITES_KEPT
    monkeypatch.setattr(telegram, "ROOMS_KEPT", 2)
    world.telegram.room("channel", "two")
    with pytest.raises(TooManyPhones):
        world.telegram.room("channel", "three")
