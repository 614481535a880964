"""Kill points of a send: wherever a process dies, the message has one outcome, and nobody gets it twice silently."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.notifier.domain.delivery import Receipt, ReceiptStatus, Settlement, Told
from services.notifier.domain.failures import Class, SendFailure
from services.notifier.domain.message import Accepted, Message, Outgoing, State
from services.notifier.service.sender import LEASE, VISIBLE
from services.notifier.store.receipts import RECEIPT_WAIT
from shared import events
from shared.errors import Unavailable
from shared.events import Channel, Lane, MessageRequested, Reason
from tests.integration.notifier.engine import Engine, Scripted, engine, failing, until
from tests.integration.notifier.test_sending import link


async def stamped(e: Engine) -> Message:
    """A message whose process died right after the intent was written."""
    await e.request(e.asking.invitation())
    (message,) = await e.ledger.claim(Lane.URGENT, 1, e.clock(), VISIBLE[Lane.URGENT])
    intent = Settlement(message, State.SENDING, Channel.SMS, "twilio", parts=3)
    assert await e.ledger.stamp([intent], e.clock(), LEASE) == [True]
    return message


async def test_killed_after_the_claim_nothing_was_sent_and_it_is_due_again_by_itself(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await e.request(e.asking.invitation())
        assert await e.ledger.claim(Lane.URGENT, 1, e.clock(), VISIBLE[Lane.URGENT])
        assert not await e.ledger.claim(Lane.URGENT, 1, e.clock(), VISIBLE[Lane.URGENT])
        e.move(VISIBLE[Lane.URGENT].total_seconds() + 1)
        async with e.sender():
            await e.reaches(message, "accepted")
        assert e.channels[Channel.SMS].times()[message] == 1


async def test_killed_between_intent_and_call_it_is_unknown_once_and_not_sent(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await stamped(e)
        assert await e.afterwards.overdue(10, e.clock()) == []
        e.move(LEASE.total_seconds() + 1)
        async with e.sender():
            assert [event.type for event in await e.afterwards.overdue(10, e.clock())] == ["delivery.unknown.v1"]
            assert await e.afterwards.overdue(10, e.clock()) == []
            later = await e.passes()
        assert e.channels[Channel.SMS].times() == {later: 1}
        assert await e.told(message.id) == ["unknown"]


async def test_killed_between_call_and_outcome_it_is_unknown_and_not_sent_again(notifier_url: str) -> None:
    called = asyncio.Event()

    async def never_the_first(outgoing: Outgoing) -> Accepted:
        if called.is_set():
            return Accepted("ref")
        called.set()
        await asyncio.Event().wait()
        raise AssertionError

    sms = Scripted(answer=never_the_first)
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e:
        message = await e.request(e.asking.invitation())
        dying = e.sender()
        await dying.__aenter__()
        await called.wait()
        await dying._own.__aexit__(None, None, None)  # as a kill: no drain, no outcome
        e.move(LEASE.total_seconds() + 1)
        await e.afterwards.overdue(10, e.clock())
        async with e.sender():
            later = await e.passes()
        assert sms.times() == {message: 1, later: 1}
        assert await e.told(message) == ["unknown"]


async def test_a_receipt_that_came_before_the_kill_decides_instead_of_a_doubt(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await stamped(e)
        await e.afterwards.receive([Told(message.id, Receipt(1, ReceiptStatus.DELIVERED))], e.clock())
        assert await e.told(message.id) == []
        e.move(LEASE.total_seconds() + 1)
        await e.afterwards.overdue(10, e.clock())
        assert await e.told(message.id) == ["delivered"]


async def test_of_two_replicas_that_find_a_lease_run_out_one_states_it(notifier_url: str) -> None:
    async with engine(notifier_url) as e, engine(notifier_url, clock=e.clock) as other:
        messages = [await stamped(e) for _ in range(20)]
        e.move(LEASE.total_seconds() + 1)
        found = await asyncio.gather(*(x.afterwards.overdue(100, e.clock()) for x in (e, other, e, other)))
        assert sum(len(events) for events in found) == 20
        assert sorted(event.subject for event in await e.stated()) == sorted(message.id for message in messages)


async def test_a_lease_of_a_newer_versions_message_is_left_to_the_newer_process(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        newer, known = await stamped(e), await stamped(e)
        async with e.database.connection() as db:
            await db.execute("""UPDATE message SET text = '{"name": "poll", "version": 9}' WHERE id = $1""", newer.id)
        e.move(LEASE.total_seconds() + 1)
        assert [event.subject for event in await e.afterwards.overdue(10, e.clock())] == [known.id]
        assert (await e.row(newer.id))["state"] == "sending"


async def test_of_two_processes_that_claimed_one_message_one_writes_the_intent(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await e.request(e.asking.invitation())
        (first,) = await e.ledger.claim(Lane.URGENT, 1, e.clock(), VISIBLE[Lane.URGENT])
        e.move(VISIBLE[Lane.URGENT].total_seconds() + 1)
        (second,) = await e.ledger.claim(Lane.URGENT, 1, e.clock(), VISIBLE[Lane.URGENT])
        assert first.id == second.id
        intents = [Settlement(m, State.SENDING, Channel.SMS, "twilio") for m in (first, second)]
        assert await e.ledger.stamp(intents[1:], e.clock(), LEASE) == [True]
        assert await e.ledger.stamp(intents[:1], e.clock(), LEASE) == [False]


async def test_two_replicas_share_a_queue_without_sending_anything_twice(notifier_url: str) -> None:
    sms = Scripted()
    channels = {Channel.SMS: sms}
    async with (
        engine(notifier_url, channels=channels) as e,
        engine(notifier_url, channels=channels, clock=e.clock) as other,
    ):
        other.asking, other.sealer = e.asking, e.sealer
        messages = [await e.request(e.asking.invitation()) for _ in range(200)]
        async with e.sender(workers=8), other.sender(workers=8):
            for message in messages:
                await e.reaches(message, "accepted")
        assert sms.times() == dict.fromkeys(messages, 1)


async def test_an_acceptance_that_is_written_after_the_lease_ran_out_still_counts(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await stamped(e)
        e.move(LEASE.total_seconds() + 1)
        await e.afterwards.overdue(10, e.clock())
        sent = Message(**{f: getattr(message, f) for f in message.__slots__} | {"state": State.SENDING, "tries": 1})
        late = Settlement(sent, State.ACCEPTED, Channel.SMS, "twilio", reference="ref")
        assert await e.ledger.settle([late], e.clock()) == [True]
        assert await e.told(message.id) == ["unknown", "accepted"]


async def test_a_requeue_that_is_written_after_the_lease_ran_out_does_not_count(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await stamped(e)
        e.move(LEASE.total_seconds() + 1)
        await e.afterwards.overdue(10, e.clock())
        sent = Message(**{f: getattr(message, f) for f in message.__slots__} | {"state": State.SENDING, "tries": 1})
        late = Settlement(sent, State.QUEUED, Channel.SMS, "twilio", not_before=e.clock())
        assert await e.ledger.settle([late], e.clock()) == [False]
        assert (await e.row(message.id))["state"] == "unknown"


async def test_an_outcome_is_written_when_the_database_comes_back(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        broken = 3
        settle = e.ledger.settle

        async def flaky(settlements: Any, now: Any) -> Any:
            nonlocal broken
            if broken:
                broken -= 1
                raise Unavailable
            return await settle(settlements, now)

        e.ledger.settle = flaky  # type: ignore[method-assign] # a database that is away for three tries
        async with e.sender():
            message = await e.request(e.asking.invitation())
            await e.reaches(message, "accepted")
        assert e.channels[Channel.SMS].times()[message] == 1


@pytest.mark.parametrize("state", ["verified", "refused", "locked", "expired", "closed"])
async def test_what_is_unsent_for_a_decided_challenge_is_dropped(notifier_url: str, state: str) -> None:
    async with engine(notifier_url) as e:
        event = e.asking.invitation()
        await e.request(event)
        await e.requests.decide(decided(state, event), e.clock())
        async with e.sender():
            later = await e.passes()
        assert e.channels[Channel.SMS].times() == {later: 1}
        (failed,) = await e.stated(event.subject)
        assert failed.model_dump()["reason"] == "dropped"


async def test_a_request_that_arrives_after_its_challenge_was_decided_is_dropped(notifier_url: str) -> None:
    async with engine(notifier_url) as e, e.sender():
        event = e.asking.invitation()
        await e.requests.decide(decided("closed", event), e.clock())
        await e.request(event)
        await e.reaches(event.subject, "failed")
        assert not e.channels[Channel.SMS].sent


async def test_a_drop_between_claim_and_intent_wins(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        event = e.asking.invitation()
        await e.request(event)
        (message,) = await e.ledger.claim(Lane.URGENT, 1, e.clock(), timedelta(seconds=8))
        await e.requests.decide(decided("closed", event), e.clock())
        intent = Settlement(message, State.SENDING, Channel.SMS, "twilio")
        assert await e.ledger.stamp([intent], e.clock(), LEASE) == [False]


@pytest.mark.parametrize("kind", [Class.RETRY, Class.THROTTLE, Class.PERMANENT])
async def test_what_fails_after_its_challenge_was_decided_goes_out_by_no_other_try_or_channel(
    notifier_url: str, kind: Class
) -> None:
    """The decision comes while Telegram is being called: nothing is queued that it could drop."""
    async with engine(notifier_url) as e:
        event = e.asking.invitation()

        async def fail_meanwhile(_: Outgoing) -> Accepted:
            await e.requests.decide(decided("closed", event), e.clock())
            raise SendFailure(kind, Reason.BLOCKED, provider="telegram", provider_code=403)

        e.channels[Channel.TELEGRAM] = Scripted(Channel.TELEGRAM, fail_meanwhile)
        await link(e.database, list(event.recipient.fingerprints.values()), timedelta(days=1), e.clock())  # type: ignore[union-attr]
        await e.request(event)
        async with e.sender():
            await e.reaches(event.subject, "failed")
            e.move(60)
            later = await e.passes("+915550000211")
        assert e.channels[Channel.SMS].times() == {later: 1}
        assert (await e.stated(event.subject))[-1].model_dump()["reason"] == "dropped"


def decided(state: str, event: Any) -> Any:
    """What otp states about the challenge of a request."""
    kinds: dict[str, Any] = {
        "verified": events.ChallengeVerified, "refused": events.ChallengeRefused, "locked": events.ChallengeLocked,
        "expired": events.ChallengeExpired, "closed": events.ChallengeClosed,
    }  # fmt: skip
    extra: dict[str, Any] = {
        "verified": {
            "via": "web", "verified_at": event.at, "notice": {"version": "1", "language": "hi", "at": event.at},
        },
        "refused": {"via": "web"}, "locked": {"via": "sms"}, "closed": {"reason": "ended"},
    }  # fmt: skip
    base = {
        "organisation_id": event.organisation_id, "subject": event.challenge_id, "version": 2, "at": event.at,
        "appointment_id": event.appointment_id, "cycle": 1,
    }  # fmt: skip
    return kinds[state].model_validate(base | extra.get(state, {}))


async def test_an_older_version_of_a_challenge_changes_nothing(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        event = e.asking.invitation()
        await e.requests.decide(decided("closed", event), e.clock())
        await e.requests.decide(decided("verified", event).model_copy(update={"version": 1}), e.clock())
        async with e.database.connection() as db:
            assert await db.fetchval("SELECT state FROM invitation") == "closed"


async def test_nothing_waits_in_the_engine_for_ever(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        sender = e.sender(workers=2)
        async with sender:
            for _ in range(50):
                await e.request(e.asking.invitation())

            async def done() -> bool:
                return len(await e.told()) == 50

            await until(done)
        assert sender._queue.empty()


async def doubtful(e: Engine, *, chat_id: int | None = None, event: MessageRequested | None = None) -> Message:
    """An announcement, or `event`, whose process died in the call."""
    event = event or e.asking.announcement()
    await e.request(event)
    async with e.database.connection() as db:
        await db.execute("UPDATE message SET chat_id = $2 WHERE id = $1", event.subject, chat_id)
    (message,) = await e.ledger.claim(Lane.BULK, 1, e.clock(), VISIBLE[Lane.BULK])
    await e.ledger.stamp([Settlement(message, State.SENDING, Channel.SMS, "twilio")], e.clock(), LEASE)
    e.move(LEASE.total_seconds() + 1)
    await e.afterwards.overdue(10, e.clock())
    return message


async def test_an_announcement_that_stays_unknown_is_sent_once_more_and_only_once(notifier_url: str) -> None:
    sms = Scripted(answer=failing(SendFailure(Class.UNKNOWN, Reason.PROVIDER_DOWN, provider="p", provider_code=1)))
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e:
        message = await doubtful(e)
        assert await e.afterwards.again(10, e.clock()) == 0
        e.move(RECEIPT_WAIT.total_seconds() + 1)
        assert await e.afterwards.again(10, e.clock()) == 1
        async with e.sender(Lane.BULK):
            await e.reaches(message.id, "unknown")
        e.move(RECEIPT_WAIT.total_seconds() + 1)
        assert await e.afterwards.again(10, e.clock()) == 0
        assert sms.times()[message.id] == 1
        assert await e.told(message.id) == ["unknown", "unknown"]


async def test_an_invitation_of_an_import_that_stays_unknown_is_otp_s_to_attempt_anew(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await doubtful(e, event=e.asking.invitation(code=None, not_after=e.clock() + timedelta(days=7)))
        e.move(RECEIPT_WAIT.total_seconds() + 1)
        assert await e.afterwards.again(10, e.clock()) == 0


async def test_an_announcement_with_a_receipt_is_not_sent_again(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await doubtful(e)
        await e.afterwards.receive([Told(message.id, Receipt(1, ReceiptStatus.DELIVERED))], e.clock())
        e.move(RECEIPT_WAIT.total_seconds() + 1)
        assert await e.afterwards.again(10, e.clock()) == 0


async def test_neither_a_code_nor_a_post_in_a_channel_is_sent_again(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await doubtful(e, chat_id=-100)
        await stamped(e)
        e.move(LEASE.total_seconds() + 1)
        await e.afterwards.overdue(10, e.clock())
        e.move(RECEIPT_WAIT.total_seconds() + 1)
        assert await e.afterwards.again(10, e.clock()) == 0
