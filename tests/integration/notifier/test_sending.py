"""Sending through the ledger: every try ends in one outcome, and a doubt is never sent again silently."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from services.notifier.domain.delivery import Receipt, ReceiptStatus, Told
from services.notifier.domain.failures import Class, SendFailure
from services.notifier.domain.message import Accepted, Outgoing
from services.notifier.service.sender import Sender
from shared.events import Channel, DeliveryFailed, Lane, Reason
from tests.integration.notifier.asking import CODE
from tests.integration.notifier.engine import Engine, Scripted, engine, failing, until


def failure(kind: Class, reason: Reason = Reason.PROVIDER_DOWN, **more: object) -> SendFailure:
    return SendFailure(kind, reason, provider="twilio", provider_code=1, **more)  # type: ignore[arg-type]


async def link(database: object, prints: list[str], age: timedelta, now: object) -> None:
    async with database.connection() as db:  # type: ignore[attr-defined]
        await db.execute(
            "INSERT INTO telegram_account (user_id, chat_id, prints, contact_shared_at, created_at, changed_at) "
            "VALUES (7, 7, $1, $2, $3, $3)",
            prints, now - age, now,  # type: ignore[operator]
        )  # fmt: skip


async def test_a_message_is_sent_once_and_stated_as_accepted(notifier_url: str) -> None:
    async with engine(notifier_url) as e, e.sender():
        message = await e.request(e.asking.invitation())
        await e.request(e.asking.invitation())
        row = await e.reaches(message, "accepted")
        assert e.channels[Channel.SMS].times()[message] == 1
        assert await e.told(message) == ["accepted"]
        assert (row["tries"], row["provider"], row["channel"], row["version"]) == (1, "twilio", "sms", 1)


async def test_a_request_that_comes_again_is_the_same_message(notifier_url: str) -> None:
    async with engine(notifier_url) as e, e.sender():
        event = e.asking.invitation()
        for _ in range(3):
            await e.request(event)
        await e.reaches(event.subject, "accepted")
        await e.request(event)
        assert e.channels[Channel.SMS].times() == {event.subject: 1}


async def test_what_is_sealed_leaves_the_ledger_with_the_outcome(notifier_url: str) -> None:
    async with engine(notifier_url) as e, e.sender():
        message = await e.request(e.asking.invitation())
        row = await e.reaches(message, "accepted")
        assert (row["contact"], row["secrets"], row["phone"]) == (None, None, None)


async def test_no_code_phone_name_or_link_stands_in_any_table(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        event = e.asking.invitation()
        await e.request(event)
        await e.request(e.asking.announcement())
        secrets = [CODE, "5550000210", "सुनीता", "Sunita", "Sharma", "Mahesh", "/c/", event.challenge_id.hex]  # type: ignore[union-attr]

        async def dump() -> str:
            async with e.database.connection() as db:
                tables = [r[0] for r in await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
                rows = [str(r[0]) for t in tables for r in await db.fetch(f"SELECT to_jsonb(x)::text FROM {t} x")]  # noqa: S608
            return "\n".join(rows)

        before = await dump()
        async with e.sender():
            await e.reaches(event.subject, "accepted")
        for text in (before, await dump()):
            assert not [secret for secret in secrets if secret in text]
        assert CODE in e.channels[Channel.SMS].sent[0].body


@pytest.mark.parametrize("kind", [Class.RETRY])
async def test_a_failure_before_the_request_was_written_is_tried_again_later(notifier_url: str, kind: Class) -> None:
    sms = Scripted(answer=failing(failure(kind)))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender():
        message = await e.request(e.asking.invitation())
        await _due_again(e, message, 1)
        await e.reaches(message, "accepted")
        assert sms.times()[message] == 2
        assert await e.told(message) == ["accepted"]


async def _due_again(e: Engine, message: UUID, tries: int) -> None:
    """The time that a message waits after so many tries passes, once it waits."""
    await until(lambda: _is(e, message, tries=tries, state="queued"))
    e.move(((await e.row(message))["not_before"] - e.clock()).total_seconds())


async def _is(e: Engine, message: UUID, **wanted: object) -> bool:
    row = await e.row(message)
    return all(row[name] == value for name, value in wanted.items())


async def test_a_message_that_fails_too_often_is_given_up(notifier_url: str) -> None:
    sms = Scripted(answer=failing(*[failure(Class.RETRY)] * 9))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender():
        message = await e.request(e.asking.invitation())
        for tries in range(1, 5):
            await _due_again(e, message, tries)
        await e.reaches(message, "failed")
        assert sms.times()[message] == 5
        (failed,) = await e.stated(message)
        assert isinstance(failed, DeliveryFailed)
        assert (failed.reason, failed.falls_back) == (Reason.PROVIDER_DOWN, False)


async def test_being_throttled_pauses_the_credential_and_is_no_attempt(notifier_url: str) -> None:
    sms = Scripted(answer=failing(*[failure(Class.THROTTLE, retry_after=3.0)] * 7))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender():
        message = await e.request(e.asking.invitation())
        for tries in range(1, 8):
            await _due_again(e, message, tries)
        await e.reaches(message, "accepted")
        assert sms.times()[message] == 8
        assert e.pacer.pauses == [("twilio:test", 3.0)] * 7
        assert (await e.row(message))["transient"] == 0


async def test_an_answer_that_never_came_is_unknown_and_not_sent_again(notifier_url: str) -> None:
    sms = Scripted(answer=failing(failure(Class.UNKNOWN)))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender():
        message = await e.request(e.asking.invitation())
        await e.reaches(message, "unknown")
        e.move(3600)
        later = await e.passes()
        assert sms.times() == {message: 1, later: 1}
        assert await e.told(message) == ["unknown"]


async def test_a_receipt_resolves_an_unknown_message(notifier_url: str) -> None:
    sms = Scripted(answer=failing(failure(Class.UNKNOWN)))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender():
        message = await e.request(e.asking.invitation())
        await e.reaches(message, "unknown")
        await e.afterwards.receive([Told(message, Receipt(1, ReceiptStatus.DELIVERED))], e.clock())
        assert await e.told(message) == ["unknown", "delivered"]


async def test_a_number_that_cannot_be_reached_fails_with_its_reason(notifier_url: str) -> None:
    sms = Scripted(answer=failing(failure(Class.PERMANENT, Reason.NOT_MOBILE)))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender():
        message = await e.request(e.asking.invitation())
        await e.reaches(message, "failed")
        (failed,) = await e.stated(message)
        assert isinstance(failed, DeliveryFailed)
        assert (failed.reason, failed.falls_back) == (Reason.NOT_MOBILE, False)


async def test_telegram_that_fails_falls_back_to_sms_at_once(notifier_url: str) -> None:
    telegram = Scripted(Channel.TELEGRAM, failing(failure(Class.PERMANENT, Reason.BLOCKED)))
    channels = {Channel.SMS: Scripted(), Channel.TELEGRAM: telegram}
    async with engine(notifier_url, channels=channels) as e:
        event = e.asking.invitation()
        await link(e.database, list(e.asking.prints("+915550000210").values()), timedelta(days=1), e.clock())
        async with e.sender():
            await e.request(event)
            await e.reaches(event.subject, "accepted")
        assert [o.address for o in telegram.sent] == ["7"]
        assert [o.address for o in channels[Channel.SMS].sent] == ["+915550000210"]
        failed, accepted = await e.stated(event.subject)
        assert isinstance(failed, DeliveryFailed)
        assert (failed.reason, failed.falls_back, failed.channel) == (Reason.BLOCKED, True, Channel.TELEGRAM)
        assert (accepted.channel, accepted.version) == (Channel.SMS, 2)


async def test_a_link_older_than_ninety_days_gets_sms(notifier_url: str) -> None:
    channels = {Channel.SMS: Scripted(), Channel.TELEGRAM: Scripted(Channel.TELEGRAM)}
    async with engine(notifier_url, channels=channels) as e:
        await link(e.database, list(e.asking.prints("+915550000210").values()), timedelta(days=91), e.clock())
        async with e.sender():
            message = await e.request(e.asking.invitation())
            await e.reaches(message, "accepted")
        assert not channels[Channel.TELEGRAM].sent
        assert len(channels[Channel.SMS].sent) == 1


async def test_a_code_is_never_sent_late(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await e.request(e.asking.invitation(not_after=e.clock() + timedelta(seconds=60)))
        e.move(60)
        async with e.sender():
            await e.reaches(message, "failed")
        assert not e.channels[Channel.SMS].sent
        (failed,) = await e.stated(message)
        assert isinstance(failed, DeliveryFailed)
        assert failed.reason is Reason.EXPIRED


async def test_who_said_stop_gets_no_announcements_but_codes(notifier_url: str) -> None:
    phone = "+915550000300"
    async with engine(notifier_url) as e:
        async with e.database.connection() as db:
            (print_,) = e.asking.prints(phone).values()
            await db.execute("INSERT INTO suppression VALUES ($1, 'announcement', 'sms', $2)", print_, e.clock())
        news = await e.request(e.asking.announcement(phone))
        code = await e.request(e.asking.invitation(phone))
        async with e.sender(), e.sender(Lane.BULK):
            await e.reaches(news, "failed")
            await e.reaches(code, "accepted")
        (failed,) = await e.stated(news)
        assert isinstance(failed, DeliveryFailed)
        assert failed.reason is Reason.OPTED_OUT


async def test_who_said_stop_in_the_bot_gets_no_announcements_while_the_account_is_in_doubt(notifier_url: str) -> None:
    channels = {Channel.SMS: Scripted(), Channel.TELEGRAM: Scripted(Channel.TELEGRAM)}
    async with engine(notifier_url, channels=channels) as e:
        news = e.asking.announcement()
        await link(e.database, list(e.asking.prints("+915550000300").values()), timedelta(days=1), e.clock())
        async with e.database.connection() as db:
            await db.execute("UPDATE telegram_account SET announcements = false, contact_shared_at = NULL")
        await e.request(news)
        async with e.sender(Lane.BULK):
            await e.reaches(news.subject, "failed")
        assert not channels[Channel.SMS].sent
        (failed,) = await e.stated(news.subject)
        assert isinstance(failed, DeliveryFailed)
        assert failed.reason is Reason.OPTED_OUT


async def test_an_opt_out_at_the_carrier_is_remembered(notifier_url: str) -> None:
    sms = Scripted(answer=failing(failure(Class.STOP, Reason.OPTED_OUT, suppress=True)))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender(Lane.BULK):
        first = await e.request(e.asking.announcement())
        await e.reaches(first, "failed")
        second = await e.request(e.asking.announcement())
        await e.reaches(second, "failed")
        assert len(sms.sent) == 1


async def test_a_secret_that_does_not_open_fails_its_message_alone(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        good, bad = e.asking.invitation(), e.asking.announcement()
        other = e.asking.announcement().secrets
        await e.request(bad.model_copy(update={"secrets": other}))
        await e.request(good)
        async with e.sender(), e.sender(Lane.BULK):
            await e.reaches(bad.subject, "failed")
            await e.reaches(good.subject, "accepted")


async def _holds(sender: Sender, messages: int) -> bool:
    return len(sender._held) == messages and sender._queue.full()


async def test_a_stop_lets_the_call_in_flight_end_and_gives_the_rest_back(notifier_url: str) -> None:
    gate, began = asyncio.Event(), asyncio.Event()

    async def slow(outgoing: Outgoing) -> Accepted:
        began.set()
        await gate.wait()
        return Accepted("ref")

    sms = Scripted(answer=slow)
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e:
        messages = [await e.request(e.asking.invitation()) for _ in range(6)]
        sender = e.sender(workers=1)
        await sender.__aenter__()
        await began.wait()
        await until(lambda: _holds(sender, 2))  # one in the call, one behind it: nothing is being claimed any more
        stopping = asyncio.gather(sender.__aexit__(None, None, None))
        await asyncio.sleep(0)
        gate.set()
        await stopping
        rows = [await e.row(message) for message in messages]
        assert sorted(row["state"] for row in rows) == ["accepted", *["queued"] * 5]
        assert all(row["not_before"] <= e.clock() for row in rows if row["state"] == "queued")


async def test_a_fault_of_ours_in_the_middle_of_a_call_is_a_doubt_and_stops_nobody(notifier_url: str) -> None:
    async def broken(outgoing: Outgoing) -> Accepted:
        if len(sms.sent) == 1:
            raise KeyError
        return Accepted("ref")

    sms = Scripted(answer=broken)
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e, e.sender(workers=1):
        first = await e.request(e.asking.invitation())
        await e.reaches(first, "unknown")
        second = await e.request(e.asking.invitation())
        await e.reaches(second, "accepted")


async def test_a_row_of_a_newer_version_is_left_to_the_newer_process(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        newer = await e.request(e.asking.invitation())
        async with e.database.connection() as db:
            await db.execute("""UPDATE message SET text = '{"name": "poll", "version": 9}' WHERE id = $1""", newer)
        known = await e.request(e.asking.invitation())
        async with e.sender():
            await e.reaches(known, "accepted")
        assert (await e.row(newer))["state"] == "queued"


class Paused:
    """Telegram is paused for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def acquire(self, credential: str, *_: object, **__: object) -> float:
        """No place at Telegram."""
        return self._seconds if credential.startswith("telegram") else 0.0


@pytest.mark.parametrize(("seconds", "by"), [(5.0, None), (300.0, Channel.SMS)])
async def test_a_code_waits_for_a_short_pause_and_goes_another_way_in_a_long_one(
    notifier_url: str, seconds: float, by: Channel | None
) -> None:
    channels = {Channel.SMS: Scripted(), Channel.TELEGRAM: Scripted(Channel.TELEGRAM)}
    async with engine(notifier_url, channels=channels, pacer=Paused(seconds)) as e:
        await link(e.database, list(e.asking.prints("+915550000210").values()), timedelta(days=1), e.clock())
        event = e.asking.invitation()
        await e.request(event)
        async with e.sender():
            if by is None:
                await until(lambda: _is(e, event.subject, not_before=e.clock() + timedelta(seconds=seconds)))
            else:
                await e.reaches(event.subject, "accepted")
        assert len(channels[Channel.SMS].sent) == (by is not None)
        assert not channels[Channel.TELEGRAM].sent


@pytest.mark.parametrize(("seconds", "by"), [(5.0, None), (300.0, Channel.SMS)])
async def test_the_message_that_is_told_to_wait_long_goes_another_way_itself(
    notifier_url: str, seconds: float, by: Channel | None
) -> None:
    throttled = failing(failure(Class.THROTTLE, retry_after=seconds))
    channels = {Channel.SMS: Scripted(), Channel.TELEGRAM: Scripted(Channel.TELEGRAM, throttled)}
    async with engine(notifier_url, channels=channels) as e:
        await link(e.database, list(e.asking.prints("+915550000210").values()), timedelta(days=1), e.clock())
        event = e.asking.invitation()
        await e.request(event)
        async with e.sender():
            if by is None:
                await until(lambda: _is(e, event.subject, not_before=e.clock() + timedelta(seconds=seconds)))
            else:
                await e.reaches(event.subject, "accepted")
        assert len(channels[Channel.SMS].sent) == (by is not None)
        assert e.pacer.pauses == [("telegram:test", seconds)]
