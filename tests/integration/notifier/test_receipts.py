"""Receipts: shuffled, twice, early, of an older try: the final state is the same, and each fact is stated once."""

import itertools
from datetime import timedelta
from uuid import UUID

import pytest

from services.notifier.domain.delivery import Receipt, ReceiptStatus, Settlement, Told
from services.notifier.domain.failures import Class, SendFailure
from services.notifier.domain.message import Accepted, Outgoing, State
from services.notifier.service.sender import LEASE
from services.notifier.store.rows import message_of
from shared import ids
from shared.events import Channel, DeliveryFailed, Lane, Reason
from tests.integration.notifier.engine import Engine, Scripted, engine

SENT, DELIVERED, FAILED = ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED


async def accepted(e: Engine) -> UUID:
    """A message that the provider took."""
    async with e.sender():
        message = await e.request(e.asking.invitation())
        await e.reaches(message, "accepted")
    return message


async def receive(e: Engine, message: UUID, *statuses: ReceiptStatus, tries: int = 1) -> None:
    for status in statuses:
        reason = Reason.UNKNOWN_NUMBER if status is FAILED else None
        await e.afterwards.receive([Told(message, Receipt(tries, status, reason))], e.clock())


@pytest.mark.parametrize("order", sorted(set(itertools.permutations([SENT, DELIVERED, DELIVERED]))))
async def test_in_any_order_and_twice_it_is_delivered_once(notifier_url: str, order: tuple[ReceiptStatus, ...]) -> None:
    async with engine(notifier_url) as e:
        message = await accepted(e)
        await receive(e, message, *order)
        assert await e.told(message) == ["accepted", "delivered"]


async def test_an_undelivered_message_fails_with_its_reason_once(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await accepted(e)
        await receive(e, message, FAILED, SENT, FAILED)
        _, failed = await e.stated(message)
        assert isinstance(failed, DeliveryFailed)
        assert (failed.reason, failed.falls_back, failed.version) == (Reason.UNKNOWN_NUMBER, False, 2)


async def test_delivered_wins_over_failed_in_either_order(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        for order in ([FAILED, DELIVERED], [DELIVERED, FAILED]):
            message = await accepted(e)
            await receive(e, message, *order)
            assert (await e.row(message))["state"] == "delivered"


async def test_a_receipt_that_is_earlier_than_the_answer_is_kept_and_applied_with_it(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await e.request(e.asking.invitation())
        (message,) = await e.ledger.claim(Lane.URGENT, 1, e.clock(), timedelta(seconds=8))
        await e.ledger.stamp([Settlement(message, State.SENDING, Channel.SMS, "twilio")], e.clock(), LEASE)
        await receive(e, message.id, DELIVERED, SENT)
        assert await e.told() == []
        row = await e.row(message.id)
        assert row["state"] == "sending"
        done = Settlement(message_of(row), State.ACCEPTED, Channel.SMS, "twilio", reference="SM1")
        assert await e.ledger.settle([done], e.clock()) == [True]
        assert await e.told() == ["accepted", "delivered"]
        assert [event.version for event in await e.stated()] == [1, 2]


async def test_a_receipt_that_came_while_the_answer_was_lost_resolves_the_doubt_at_once(notifier_url: str) -> None:
    """The provider took it, its answer was lost, its receipt was not: it comes once, and nobody asks for it again."""
    async with engine(notifier_url) as e:

        async def lose(outgoing: Outgoing) -> Accepted:
            await receive(e, outgoing.message_id, SENT, DELIVERED)
            raise SendFailure(Class.UNKNOWN, Reason.PROVIDER_DOWN, provider="twilio", provider_code="TimeoutError")

        e.channels[Channel.SMS] = Scripted(answer=lose)
        async with e.sender():
            message = await e.request(e.asking.invitation())
            row = await e.reaches(message, "delivered")
        assert await e.told(message) == ["unknown", "delivered"]
        assert (row["contact"], row["secrets"]) == (None, None)


async def test_a_receipt_of_an_earlier_try_changes_nothing(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        message = await accepted(e)
        async with e.database.connection() as db:
            await db.execute("UPDATE message SET tries = 2 WHERE id = $1", message)
        await receive(e, message, FAILED, tries=1)
        assert await e.told(message) == ["accepted"]


async def test_a_receipt_for_a_message_that_nobody_knows_is_kept_and_harms_nothing(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await receive(e, ids.new_id(), DELIVERED)
        assert await e.told() == []
