"""Receipts and run-out leases: what is learned about a message after its try, each fact stated once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier.domain.delivery import Receipt, ReceiptStatus, Settlement, advance, best, state_event
from services.notifier.domain.message import Message, State
from services.notifier.store import outbox
from services.notifier.store.database import Connection, Database
from services.notifier.store.rows import message_of, readable
from shared.events import DeliveryEvent, Reason
from shared.telemetry import link_to

OVERDUE = """
SELECT * FROM message WHERE state = 'sending' AND lease_until < $1
ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED
"""

TO_STATE = """
UPDATE message SET state = $2, version = version + 1, reason = $3, lease_until = NULL, changed_at = $4,
  secrets = CASE WHEN $2 = 'unknown' THEN secrets END, contact = CASE WHEN $2 = 'unknown' THEN contact END, phone = NULL
WHERE id = $1 RETURNING version
"""

# An announcement to one person that nobody can account for is sent once more, on purpose (codes are otp's business,
# and a post in a channel is seen by all).
AGAIN = """
UPDATE message SET state = 'queued', not_before = $1, resent = true WHERE id IN (
  SELECT id FROM message WHERE state = 'unknown' AND lane = 'bulk' AND chat_id IS NULL AND contact IS NOT NULL
    AND NOT resent AND changed_at < $2 AND (not_after IS NULL OR not_after > $1)
  ORDER BY changed_at LIMIT $3 FOR UPDATE SKIP LOCKED)
"""

RECEIPT = """
INSERT INTO receipt (message_id, try, status, code, received_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
PARKED = "SELECT try, status, code FROM receipt WHERE message_id = $1 AND try = $2 AND applied_at IS NULL"
PARKED_OF = """
SELECT receipt.message_id, receipt.try, receipt.status, receipt.code
FROM receipt JOIN unnest($1::uuid[], $2::int[]) AS wanted (id, try)
  ON receipt.message_id = wanted.id AND receipt.try = wanted.try
WHERE receipt.applied_at IS NULL
"""
APPLIED = "UPDATE receipt SET applied_at = $3 WHERE message_id = $1 AND try = $2 AND applied_at IS NULL"


RECEIPT_WAIT = timedelta(minutes=2)
"""A receipt that comes at all has come by then, mostly; an announcement has time."""


class Afterwards:
    """What a message's try turns out to have been."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def overdue(self, limit: int, now: datetime) -> list[DeliveryEvent]:
        """Messages whose lease ran out while they were being sent become `unknown`, or what a receipt says of them;
        of several processes that look, one gets each. Returns what was stated."""
        events: list[DeliveryEvent] = []
        async with self._database.transaction() as db:
            for row in await db.fetch(OVERDUE, now, limit):
                message = readable(row)
                if message is None:
                    continue
                receipts = [_receipt(r) for r in await db.fetch(PARKED, message.id, message.tries)]
                event = await _apply(db, message, State.UNKNOWN, receipts, now)
                events.append(event or await _to_state(db, message, State.UNKNOWN, None, now))
        return events

    async def again(self, limit: int, now: datetime) -> int:
        """Queue announcements once more that have been unknown for RECEIPT_WAIT; returns how many."""
        async with self._database.connection() as db:
            status = await db.execute(AGAIN, now, now - RECEIPT_WAIT, limit)
        return int(str(status).rpartition(" ")[2])

    async def receive(
        self, message_id: UUID, tries: int, status: ReceiptStatus, reason: Reason | None, now: datetime
    ) -> DeliveryEvent | None:
        """Keep a receipt and apply it if the message's try has an outcome; returns what was stated. A receipt that is
        early is applied with the outcome; one of an earlier try, or that says nothing new, changes nothing."""
        async with self._database.transaction() as db:
            await db.execute(RECEIPT, message_id, tries, status.value, reason.value if reason else None, now)
            row = await db.fetchrow("SELECT * FROM message WHERE id = $1 FOR UPDATE", message_id)
            if row is None or row["tries"] != tries or row["state"] in {"queued", "sending"}:
                return None
            message = message_of(row)
            receipts = [_receipt(r) for r in await db.fetch(PARKED, message_id, tries)]
            return await _apply(db, message, message.state, receipts, now)


async def apply_parked(db: Connection, settled: Sequence[Settlement], now: datetime) -> None:
    """Apply receipts that were earlier than the outcome of their try, in the transaction that writes the outcome:
    an acceptance, or the doubt of a call whose answer never came."""
    tried = [s for s in settled if s.state in {State.ACCEPTED, State.UNKNOWN}]
    if not tried:
        return
    parked = await db.fetch(PARKED_OF, [s.message.id for s in tried], [s.message.tries for s in tried])
    early = {row["message_id"] for row in parked}
    for settlement in tried:
        if settlement.message.id in early:
            receipts = [_receipt(row) for row in parked if row["message_id"] == settlement.message.id]
            await _apply(db, _sent(settlement), settlement.state, receipts, now)


async def _apply(
    db: Connection, message: Message, state: State, receipts: list[Receipt], now: datetime
) -> DeliveryEvent | None:
    """What the receipts of the current try change, given that the message is in `state`; they count as applied."""
    await db.execute(APPLIED, message.id, message.tries, now)
    receipt = best(receipts)
    target = advance(state, receipt) if receipt else None
    if target is None or receipt is None:
        return None
    return await _to_state(db, message, target, receipt.reason, now)


async def _to_state(
    db: Connection, message: Message, state: State, reason: Reason | None, now: datetime
) -> DeliveryEvent:
    version = await db.fetchval(TO_STATE, message.id, state.value, reason.value if reason else None, now)
    event = state_event(message, version, now, state=state, channel=None, provider=None, reason=reason)
    await outbox.put(db, [event], now, [message.traceparent])
    link_to(message.traceparent)
    return event


def _receipt(row: Any) -> Receipt:
    return Receipt(row["try"], ReceiptStatus(row["status"]), Reason(row["code"]) if row["code"] else None)


def _sent(settlement: Settlement) -> Message:
    return replace(settlement.message, channel=settlement.channel, provider=settlement.provider)
