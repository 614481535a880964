"""The ledger's Telegram channel under refusals: B18 to B21, B24, B26, and the error table."""

from collections.abc import Iterable
from typing import Any

import pytest

from services.sandbox.domain import membership, person
from services.sandbox.domain.chats import Chat, Membership
from services.sandbox.domain.faults import Stage
from shared import ids
from shared.events import AnnouncementText, ChannelPost, Lane, MessageRequested, PersonErased
from shared.settings import ORGANISATION
from tests.integration.notifier.asking import APPOINTEE, CODE, ORG, POST, UNIT, sealer
from tests.integration.notifier_bot.world import PHONE, World, until

OWNER = "+915550000999"


def place(w: World, room: Chat, status: str, *rights: str) -> None:
    """What the bot is in a channel."""
    world = w.sandbox.world
    new = Membership(status, frozenset(rights))
    membership.set_bot(world.telegram, room, new, w.sandbox.now(), by=world.account(OWNER))


def channel(w: World) -> Chat:
    """A unit's channel that the bot may post in."""
    w.phone(OWNER, name="मालिक")
    room = w.sandbox.world.telegram.room("channel", "Booth 210")
    place(w, room, "administrator", "can_post_messages", "can_manage_chat")
    return room


def post(w: World, chat_id: int, *, named: bool = True) -> MessageRequested:
    """The registry has a unit's channel told."""
    subject = ids.new_id()
    secrets = sealer(w.asking.keys, "registry").seal("notifier", str(subject), "secrets", {"name": APPOINTEE})
    return MessageRequested(
        organisation_id=ORGANISATION,
        subject=subject,
        version=1,
        at=w.clock(),
        lane=Lane.BULK,
        recipient=ChannelPost(unit_id=UNIT.id, chat_id=chat_id),
        language="hi",
        text=AnnouncementText(organisation=ORG, unit=UNIT, post=POST),
        secrets=secrets if named else None,
        appointment_id=ids.new_id(),
    )


async def outcome(w: World, event: MessageRequested) -> Any:
    """The settled row of a message."""
    await until(lambda: w.state_of(event))
    return await w.one("SELECT * FROM message WHERE id = $1", event.subject)


async def stated(w: World, event: MessageRequested) -> list[str]:
    """What was stated about a message, in order."""
    rows = await w.rows("SELECT type, body FROM outbox WHERE type LIKE 'delivery.%' ORDER BY id")
    return [row["type"] for row in rows if str(event.subject) in row["body"]]


async def test_b26_an_announcement_is_one_post_in_the_channel_however_often_it_is_asked(w: World) -> None:
    room = channel(w)
    event = post(w, room.id)
    for _ in range(3):
        await w.requests.request(event, w.clock())
    row = await outcome(w, event)
    await w.requests.request(event, w.clock())
    await w.settled()
    assert row["state"] == "accepted"
    assert [m.text for m in room.messages] == ["नई नियुक्ति · जन संगठन\n\nबूथ अध्यक्ष, बूथ 210, रामपुर\nसुनीता शर्मा"]


async def test_b26_without_consent_the_post_says_no_name(w: World) -> None:
    room = channel(w)
    event = post(w, room.id, named=False)
    await w.requests.request(event, w.clock())
    await outcome(w, event)
    assert "सुनीता" not in room.messages[0].text
    assert "यह पद अब भर गया है" in room.messages[0].text


async def unnamed(room: Chat) -> bool:
    """The one post says the post and no name."""
    (message,) = room.messages
    return "सुनीता" not in message.text and "यह पद अब भर गया है" in message.text


async def test_a_post_in_a_channel_loses_the_name_of_a_person_who_is_erased(w: World) -> None:
    room = channel(w)
    event = post(w, room.id)
    await w.requests.request(event, w.clock())
    await outcome(w, event)
    assert "सुनीता" in room.messages[0].text
    assert event.appointment_id is not None
    erased = PersonErased(
        organisation_id=event.organisation_id, subject=ids.new_id(), version=1, at=w.clock(),
        appointment_ids=(event.appointment_id,), fingerprints=(),
    )  # fmt: skip
    await w.requests.erase(erased, w.clock())
    await until(lambda: unnamed(room))


async def test_a_post_that_was_on_its_way_while_its_person_was_erased_loses_the_name_too(w: World) -> None:
    room = channel(w)
    event = post(w, room.id)
    await w.requests.request(event, w.clock())
    await outcome(w, event)
    await w.rows("INSERT INTO erased (appointment_id, erased_at) VALUES ($1, $2)", event.appointment_id, w.clock())
    async with w.database.transaction() as tx:
        await w.bot.informant.sweep(tx)  # as the bot's own watch does every few seconds
    w.bot.informant.committed()
    await until(lambda: unnamed(room))
    assert len(w.calls("editMessageText")) == 1


@pytest.mark.parametrize("how", ["blocked", "deleted"])
async def test_b18_b19_a_refusal_falls_back_to_sms_at_once_and_is_never_tried_again(w: World, how: str) -> None:
    w.phone()
    await w.link()
    texts, said = len(w.sms()), len(w.calls("sendMessage"))
    account = w.sandbox.world.account(PHONE)
    if how == "blocked":
        account.blocked = True  # no update says so: the refusal is the first that is heard of it
    else:
        person.delete_account(w.sandbox.world.telegram, account)
    event = await w.invite()
    row = await outcome(w, event)
    assert (row["state"], row["channel"], row["tried"]) == ("accepted", "sms", ["telegram"])
    assert CODE in w.sms()[texts]
    assert len(w.calls("sendMessage")) == said + 1
    assert await stated(w, event) == ["delivery.failed.v1", "delivery.accepted.v1"]
    rows = await w.rows("SELECT reachable FROM telegram_account")
    assert [row["reachable"] for row in rows] == [False]


async def test_b20_429_pauses_the_token_and_nothing_is_lost_or_doubled(w: World) -> None:
    w.phone()
    await w.link()
    said = len(w.from_bot())
    w.fault("sendMessage", status=429, retry_after=1)
    event = await w.invite()
    row = await outcome(w, event)
    assert (row["state"], row["channel"], row["transient"]) == ("accepted", "telegram", 0)
    assert len(w.from_bot()) == said + 1
    refused, accepted = w.sandbox.world.journal.find(
        line="telegram", method="sendMessage", target=str(w.chat().id), after=0, limit=2
    )[::-1]
    assert accepted.at - refused.at >= 1.0


async def counted(w: World, count: int, name: str, **labels: str) -> bool:
    """A metric stands there: it follows what was committed."""
    return w.metric(name, **labels) == count


async def test_b20_429_on_an_answer_of_the_dialog_pauses_too_and_the_answer_comes(w: World) -> None:
    w.phone()
    w.fault("sendMessage", status=429, retry_after=1)
    w.press_start()
    await w.says(PHONE, "लिंक वाला SMS")
    assert len(w.from_bot()) == 1
    await until(lambda: counted(w, 1, "answers_total", outcome="throttled"))
    assert w.metric("throttled_seconds_total") == 1


async def test_b21_a_server_error_is_tried_again_and_the_message_comes_once(w: World) -> None:
    w.phone()
    await w.link()
    said = len(w.from_bot())
    w.fault("sendMessage", status=502, times=2)
    row = await outcome(w, await w.invite())
    assert (row["state"], row["channel"], row["transient"]) == ("accepted", "telegram", 2)
    assert len(w.from_bot()) == said + 1


async def test_a_lost_answer_makes_the_outcome_unknown_and_nothing_is_sent_twice(w: World) -> None:
    w.phone()
    await w.link()
    said, texts = len(w.from_bot()), len(w.sms())
    w.fault("sendMessage", stage=Stage.AFTER, reset=True)
    event = await w.invite()
    assert (await outcome(w, event))["state"] == "unknown"
    await w.settled()
    assert (len(w.from_bot()), len(w.sms())) == (said + 1, texts)
    assert await stated(w, event) == ["delivery.unknown.v1"]


async def test_a_lost_answer_of_the_dialog_is_said_again(w: World) -> None:
    w.phone()
    w.fault("sendMessage", stage=Stage.AFTER, reset=True)
    w.press_start()
    await until(lambda: _count(w.from_bot(), 2))


async def _count(items: Iterable[object], count: int) -> bool:
    return len(list(items)) >= count


async def test_b24_a_group_that_moved_is_posted_to_under_its_new_id_and_stays_known(w: World) -> None:
    room = channel(w)
    gone = -400_000_001
    w.fault("sendMessage", target=str(gone), status=400, migrate_to=room.id, times=None)
    first, second = post(w, gone), post(w, gone)
    await w.requests.request(first, w.clock())
    assert (await outcome(w, first))["provider_ref"].startswith(f"{room.id}:")
    await w.requests.request(second, w.clock())
    assert (await outcome(w, second))["state"] == "accepted"
    assert len(room.messages) == 2
    assert len(w.sandbox.world.journal.find(
        line="telegram", method="sendMessage", target=str(gone), after=0, limit=9)) == 1  # fmt: skip


@pytest.mark.parametrize("status", ["kicked", "left", "member"])
async def test_a_channel_that_the_bot_lost_fails_with_that_reason(w: World, status: str) -> None:
    room = channel(w)
    place(w, room, status)
    event = post(w, room.id)
    await w.requests.request(event, w.clock())
    row = await outcome(w, event)
    assert (row["state"], row["reason"]) == ("failed", "channel_lost")


async def test_a_revoked_token_fails_over_to_sms(w: World) -> None:
    w.phone()
    await w.link()
    w.fault("sendMessage", status=401, times=None)
    row = await outcome(w, await w.invite())
    assert (row["state"], row["channel"]) == ("accepted", "sms")
