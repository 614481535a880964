"""Receipts and run-out leases: what is learned about a message after its try, each fact stated once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier.domain.delivery import MEANS, Receipt, ReceiptStatus, Stated, Told, advance, best, state_event
from services.notifier.domain.message import Message, Standing, State
from services.notifier.store import outbox
from services.notifier.store.database import Connection, Database, DatabaseUnavailable
from services.notifier.store.rows import readable
from shared.events import Channel, DeliveryEvent, Lane, Reason

OVERDUE = """
SELECT * FROM message WHERE state = 'sending' AND lease_until < $1
ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED
"""

# An announcement to one person that nobody can account for is sent once more, on purpose (invitations and codes are
# otp's business, and a post in a channel is seen by all).
AGAIN = """
UPDATE message SET state = 'queued', not_before = $1, resent = true WHERE id IN (
  SELECT id FROM message WHERE state = 'unknown' AND lane = 'bulk' AND challenge_id IS NULL AND chat_id IS NULL
    AND contact IS NOT NULL AND NOT resent AND changed_at < $2 AND (not_after IS NULL OR not_after > $1)
  ORDER BY changed_at LIMIT $3 FOR UPDATE SKIP LOCKED)
"""

# One statement, hence one transaction: receipts are kept while their messages are held. An outcome that is being
# written either waits for this and then finds them parked, or is waited for and seen here. Locks in the order of ids,
# as everywhere: batches that meet never wait for each other in a circle.
KEEP = """
WITH new AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) AS new (id, try, status, code)
), held AS (
  SELECT id, organisation_id, lane, template, attempt, state, tries, version, appointment_id, cycle, challenge_id,
    unit_id, causation_id, channel, provider, traceparent
  FROM message WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
), kept AS (
  INSERT INTO receipt (message_id, try, status, code, received_at, applied_at)
  SELECT new.id, new.try, new.status, new.code, $5::timestamptz,
    CASE WHEN held.tries = new.try AND held.state NOT IN ('queued', 'sending') THEN $5::timestamptz END
  FROM new LEFT JOIN held USING (id)
  ON CONFLICT DO NOTHING
)
SELECT * FROM held
"""

# Versions are the fence: a message that somebody else has moved meanwhile is looked at again.
MOVE = """
WITH new AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bool[],
    $9::text[]) AS new (id, version, was, state, reason, type, body, urgent, trace)
), held AS (
  SELECT id FROM message WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
), moved AS (
  UPDATE message SET state = new.state, version = message.version + 1, reason = new.reason, lease_until = NULL,
    secrets = CASE WHEN new.state = 'unknown' THEN message.secrets END,
    contact = CASE WHEN new.state = 'unknown' THEN message.contact END,
    fingerprints = CASE WHEN new.state = 'unknown' THEN message.fingerprints ELSE '{}' END, phone = NULL,
    changed_at = $10::timestamptz
  FROM new JOIN held USING (id)
  WHERE message.id = new.id AND message.version = new.version AND message.state = new.was
  RETURNING message.id
), told AS (
  INSERT INTO outbox (type, body, urgent, traceparent, created_at)
  SELECT type, body, urgent, trace, $10::timestamptz FROM new JOIN moved USING (id)
)
SELECT id FROM moved
"""

PARKED = """
UPDATE receipt SET applied_at = $3 FROM unnest($1::uuid[], $2::int[]) AS wanted (id, try)
WHERE receipt.message_id = wanted.id AND receipt.try = wanted.try AND receipt.applied_at IS NULL
RETURNING receipt.message_id, receipt.try, receipt.status, receipt.code
"""

RECEIPT_WAIT = timedelta(minutes=2)
"""A receipt that comes at all has come by then, mostly; an announcement has time."""
ROUNDS = 5
"""Looks at messages that other processes move meanwhile."""


@dataclass(frozen=True, slots=True)
class Change:
    """A message goes from one state to another, which is stated. `version`: the last stated one."""

    message: Message | Standing
    was: State
    version: int
    state: State
    reason: Reason | None = None

    def event(self, now: datetime) -> DeliveryEvent:
        """What is stated."""
        return state_event(
            self.message, self.version + 1, now, state=self.state, channel=None, provider=None, reason=self.reason
        )


class Afterwards:
    """What a message's try turns out to have been."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def overdue(self, limit: int, now: datetime) -> list[DeliveryEvent]:
        """Messages whose lease ran out while they were being sent become `unknown`, or what a receipt says of them;
        of several processes that look, one gets each. Returns what was stated."""
        async with self._database.transaction() as db:
            found = [message for row in await db.fetch(OVERDUE, now, limit) if (message := readable(row)) is not None]
            parked = await _parked(db, [(message.id, message.tries) for message in found], now)
            changes = [
                change_of(message, message.state, message.version, State.UNKNOWN, parked.get(message.id, ()))
                or Change(message, message.state, message.version, State.UNKNOWN)
                for message in found
            ]
            moved = await move(db, changes, now)
        return list(moved.values())

    async def again(self, limit: int, now: datetime) -> int:
        """Queue announcements once more that have been unknown for RECEIPT_WAIT; returns how many."""
        async with self._database.connection() as db:
            status = await db.execute(AGAIN, now, now - RECEIPT_WAIT, limit)
        return int(str(status).rpartition(" ")[2])

    async def receive(self, told: Sequence[Told], now: datetime) -> list[Stated | None]:
        """Keep receipts and apply those whose message's try has an outcome; returns what each led to. One that is
        early is applied with the outcome; one of an earlier try, or that says nothing new, changes nothing. Raises
        DatabaseUnavailable, also when the messages do not stand still."""
        said: defaultdict[UUID, list[Receipt]] = defaultdict(list)
        for each in told:
            said[each.message_id].append(each.receipt)
        stated: dict[tuple[UUID, State], Stated] = {}
        async with self._database.connection() as db:
            for _ in range(ROUNDS):
                rows = await db.fetch(KEEP, *_columns(told), now)
                changes = [change for row in rows if (change := _led(row, said[row["id"]]))]
                moved = await move(db, changes, now)
                for change in changes:
                    if (event := moved.get(change.message.id)) is not None:
                        stated[event.subject, change.state] = Stated(event, change.message.traceparent)
                if len(moved) == len(changes):
                    return [stated.pop((each.message_id, MEANS[each.receipt.status]), None) for each in told]
        raise DatabaseUnavailable


async def apply_parked(
    db: Connection, settled: Sequence[tuple[Message, State, int]], now: datetime
) -> Mapping[UUID, DeliveryEvent]:
    """Apply receipts that were earlier than the outcome of their try, in the transaction that writes the outcome (the
    message with its new state and version): an acceptance, or the doubt of a call whose answer never came."""
    tried = [each for each in settled if each[1] in {State.ACCEPTED, State.UNKNOWN}]
    parked = await _parked(db, [(message.id, message.tries) for message, _, _ in tried], now)
    changes = [change_of(m, state, version, state, parked[m.id]) for m, state, version in tried if m.id in parked]
    return await move(db, [change for change in changes if change], now)


async def move(db: Connection, changes: Sequence[Change], now: datetime) -> Mapping[UUID, DeliveryEvent]:
    """Write changes and state them; returns what was stated by message. One that has moved meanwhile is left out."""
    if not changes:
        return {}
    events = {change.message.id: change.event(now) for change in changes}
    found = await db.fetch(
        MOVE,
        [change.message.id for change in changes],
        [change.version for change in changes],
        [change.was.value for change in changes],
        [change.state.value for change in changes],
        [change.reason.value if change.reason else None for change in changes],
        *outbox.columns(events.values(), [change.message.traceparent for change in changes]),
        now,
    )
    return {row["id"]: events[row["id"]] for row in found}


def change_of(
    message: Message | Standing, was: State, version: int, stands: State, receipts: Iterable[Receipt]
) -> Change | None:
    """What the receipts of the current try change, given that the message stands as `stands`."""
    receipt = best(list(receipts))
    target = advance(stands, receipt) if receipt else None
    return Change(message, was, version, target, receipt.reason) if target and receipt else None


async def _parked(db: Connection, tries: Sequence[tuple[UUID, int]], now: datetime) -> dict[UUID, list[Receipt]]:
    """Receipts that wait for these tries; from now on they count as applied."""
    found: dict[UUID, list[Receipt]] = {}
    if not tries:
        return found
    for row in await db.fetch(PARKED, [id_ for id_, _ in tries], [number for _, number in tries], now):
        receipt = Receipt(row["try"], ReceiptStatus(row["status"]), Reason(row["code"]) if row["code"] else None)
        found.setdefault(row["message_id"], []).append(receipt)
    return found


def _led(row: Any, said: Sequence[Receipt]) -> Change | None:
    """What the receipts lead the message to, those of its current try."""
    receipts, state = [receipt for receipt in said if receipt.tries == row["tries"]], State(row["state"])
    receipt = best(receipts)
    if receipt is None or advance(state, receipt) is None:
        return None
    channel = Channel(row["channel"]) if row["channel"] else None
    standing = Standing(**{**row, "state": state, "lane": Lane(row["lane"]), "channel": channel})
    return change_of(standing, state, standing.version, state, receipts)


def _columns(told: Sequence[Told]) -> tuple[list[Any], ...]:
    """The arrays of KEEP, in its order."""
    return (
        [each.message_id for each in told],
        [each.receipt.tries for each in told],
        [each.receipt.status.value for each in told],
        [each.receipt.reason.value if each.receipt.reason else None for each in told],
    )
