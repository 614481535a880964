"""The ledger: messages from queued to their outcome; every guard against a second send is a WHERE clause here."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from services.notifier.domain.delivery import Receipt, ReceiptStatus, Settlement, advance, best, state_event
from services.notifier.domain.message import Link, Message, State, Text
from services.notifier.domain.routing import OPT_OUT
from services.notifier.store import outbox
from services.notifier.store.database import Connection, Database
from shared.events import Channel, DeliveryEvent, Lane, Reason

_TEXT: TypeAdapter[Text] = TypeAdapter(Text)

ADD = """
INSERT INTO message (id, organisation_id, lane, template, text, language, attempt, fingerprints, contact, about, phone,
  chat_id, secrets, not_after, appointment_id, cycle, challenge_id, unit_id, causation_id, traceparent, not_before,
  created_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21, $21)
ON CONFLICT (id) DO NOTHING
"""

# Claiming only moves `not_before` ahead: a claimer that dies has sent nothing, and the row is due again by itself.
# The index message_queue (lane, not_before) gives the oldest first without a sort.
CLAIM = """
WITH due AS (
  SELECT id FROM message WHERE state = 'queued' AND lane = $1 AND not_before <= $2
  ORDER BY not_before LIMIT $4 FOR UPDATE SKIP LOCKED
)
UPDATE message SET not_before = $3 FROM due WHERE message.id = due.id RETURNING message.*
"""

RELEASE = "UPDATE message SET not_before = $2 WHERE id = ANY($1::uuid[]) AND state = 'queued' AND not_before > $2"

# The intent, committed before the call. `tries` is the fence: of two processes that claimed one row, one stamps.
STAMP = """
UPDATE message SET state = 'sending', tries = message.tries + 1, channel = new.channel, provider = new.provider,
  parts = new.parts, lease_until = $6, changed_at = $7
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::int[]) AS new (id, tries, channel, provider, parts)
WHERE message.id = new.id AND message.tries = new.tries AND message.state = 'queued'
RETURNING message.id
"""

# The outcome of a try. From `unknown` only an acceptance still counts: the lease ran out while the answer was on
# its way. What nobody needs any more (sealed fields) goes at once.
SETTLE = """
UPDATE message SET
  state = new.state,
  version = message.version + new.stated::int,
  channel = coalesce(new.channel, message.channel),
  provider = coalesce(new.provider, message.provider),
  provider_ref = coalesce(new.reference, message.provider_ref),
  parts = coalesce(new.parts, message.parts),
  reason = new.reason,
  tried = CASE WHEN new.falls_back THEN array_append(message.tried, new.channel) ELSE message.tried END,
  transient = CASE WHEN new.counts THEN message.transient + 1
                   WHEN new.falls_back THEN 0 ELSE message.transient END,
  not_before = coalesce(new.not_before, message.not_before),
  lease_until = NULL,
  secrets = CASE WHEN new.state = 'queued' THEN message.secrets END,
  contact = CASE WHEN new.state = 'queued' THEN message.contact END,
  phone = CASE WHEN new.state = 'queued' THEN message.phone END,
  changed_at = $14
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[],
            $10::bool[], $11::bool[], $12::timestamptz[], $13::text[])
  AS new (id, tries, state, stated, channel, provider, reference, parts, reason, falls_back, counts, not_before,
          was)
WHERE message.id = new.id AND message.tries = new.tries
  AND (message.state = new.was OR (message.state = 'unknown' AND new.state = 'accepted'))
RETURNING message.id, message.version
"""

OVERDUE = """
SELECT * FROM message WHERE state = 'sending' AND lease_until < $1
ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED
"""

TO_STATE = """
UPDATE message SET state = $2, version = version + 1, reason = $3, lease_until = NULL, changed_at = $4,
  secrets = NULL, contact = NULL, phone = NULL
WHERE id = $1 RETURNING version
"""

DROP = """
UPDATE message SET state = 'failed', reason = 'dropped', version = version + 1, changed_at = $2,
  secrets = NULL, contact = NULL, phone = NULL
WHERE challenge_id = $1 AND template = 'invitation' AND state = 'queued' RETURNING *
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

SUPPRESS = """
INSERT INTO suppression (fingerprint, purpose, source, since)
SELECT print, $2, $3, $4 FROM unnest($1::text[]) AS print ON CONFLICT DO NOTHING
"""
ALLOW = "DELETE FROM suppression WHERE fingerprint = ANY($1::text[]) AND purpose = $2"

LINKS = """
SELECT user_id, chat_id, language, prints, contact_shared_at, reachable, announcements FROM telegram_account
WHERE prints && $1::text[] AND contact_shared_at IS NOT NULL ORDER BY contact_shared_at
"""
SUPPRESSED = "SELECT fingerprint FROM suppression WHERE purpose = $2 AND fingerprint = ANY($1::text[])"


class Ledger:
    """What the sender and the receipts need of PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lane: Lane, limit: int, now: datetime, visible: timedelta) -> list[Message]:
        """Up to `limit` due messages of the lane, oldest first; nobody else gets them for `visible`."""
        async with self._database.connection() as db:
            rows = await db.fetch(CLAIM, lane.value, now, now + visible, limit)
        return [message_of(row) for row in sorted(rows, key=lambda row: row["created_at"])]

    async def release(self, ids: Collection[UUID], now: datetime) -> None:
        """Give claimed messages back that were not sent: they are due at once."""
        async with self._database.connection() as db:
            await db.execute(RELEASE, list(ids), now)

    async def stamp(self, stamps: Sequence[Settlement], now: datetime, lease: timedelta) -> list[bool]:
        """Write the intent to send; committed when this returns. False: somebody else has it, or it was dropped."""
        async with self._database.connection() as db:
            rows = await db.fetch(
                STAMP,
                [s.message.id for s in stamps],
                [s.message.tries for s in stamps],
                [s.channel.value if s.channel else None for s in stamps],
                [s.provider for s in stamps],
                [s.parts for s in stamps],
                now + lease,
                now,
            )
        mine = {row["id"] for row in rows}
        return [s.message.id in mine for s in stamps]

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[bool]:
        """Write outcomes with their events, and what parked receipts add, in one transaction. False: another process
        has decided meanwhile, nothing was written."""
        async with self._database.transaction() as db:
            rows = await db.fetch(SETTLE, *_columns(settlements), now)
            versions = {row["id"]: row["version"] for row in rows}
            written = [s for s in settlements if s.message.id in versions]
            stated = [s for s in written if s.stated]
            events = [_event(s, versions[s.message.id], now) for s in stated]
            await outbox.put(db, events, now, [s.message.traceparent for s in stated])
            for settlement in written:
                if settlement.suppress:
                    await suppress(db, settlement.message.prints, "provider", now)
            await self._parked(db, [s for s in written if s.state is State.ACCEPTED], now)
        return [s.message.id in versions for s in settlements]

    async def _parked(self, db: Connection, accepted: Sequence[Settlement], now: datetime) -> None:
        if not accepted:
            return
        rows = await db.fetch(PARKED_OF, [s.message.id for s in accepted], [s.message.tries for s in accepted])
        early = {row["message_id"] for row in rows}
        for settlement in accepted:
            if settlement.message.id in early:
                receipts = [_receipt(row) for row in rows if row["message_id"] == settlement.message.id]
                message = _accepted(settlement)
                await _apply(db, message, State.ACCEPTED, receipts, now)

    async def overdue(self, limit: int, now: datetime) -> list[DeliveryEvent]:
        """Messages whose lease ran out while they were being sent become `unknown`, or what a receipt says of them;
        of several processes that look, one gets each. Returns what was stated."""
        events: list[DeliveryEvent] = []
        async with self._database.transaction() as db:
            for row in await db.fetch(OVERDUE, now, limit):
                message = message_of(row)
                receipts = [_receipt(r) for r in await db.fetch(PARKED, message.id, message.tries)]
                event = await _apply(db, message, State.UNKNOWN, receipts, now)
                events.append(event or await _to_state(db, message, State.UNKNOWN, None, now))
        return events

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

    async def links(self, prints: Collection[str]) -> list[Link]:
        """Telegram accounts that are linked with one of these phones, the latest shared contact last."""
        async with self._database.connection() as db:
            rows = await db.fetch(LINKS, list(prints))
        return [Link(**{**row, "prints": tuple(row["prints"])}) for row in map(dict, rows)]

    async def opted_out(self, prints: Collection[str]) -> set[str]:
        """Which of these phones want no announcements."""
        async with self._database.connection() as db:
            return {row["fingerprint"] for row in await db.fetch(SUPPRESSED, list(prints), OPT_OUT)}


async def add(db: Connection, message: Message, now: datetime) -> bool:
    """Put a message into the queue; False when it is there already: its id is its inbox."""
    status = await db.execute(
        ADD, message.id, message.organisation_id, message.lane.value, message.template,
        message.text.model_dump_json(exclude_none=True), message.language, message.attempt,
        orjson.dumps(dict(message.fingerprints)).decode(), message.contact, message.about, message.phone,
        message.chat_id, message.secrets, message.not_after, message.appointment_id, message.cycle,
        message.challenge_id, message.unit_id, message.causation_id, message.traceparent, now,
    )  # fmt: skip
    return str(status).endswith(" 1")


async def drop_unsent(db: Connection, challenge_id: UUID, now: datetime) -> list[DeliveryEvent]:
    """Drop what is still queued for a challenge that is decided; states each as failed (dropped)."""
    rows = await db.fetch(DROP, challenge_id, now)
    events = [
        state_event(
            message_of(row), row["version"], now, state=State.FAILED, channel=None, provider=None, reason=Reason.DROPPED
        )
        for row in rows
    ]
    await outbox.put(db, events, now, [row["traceparent"] for row in rows])
    return events


async def suppress(db: Connection, prints: Collection[str], source: str, now: datetime) -> None:
    """No announcements to this phone any more."""
    await db.execute(SUPPRESS, list(prints), OPT_OUT, source, now)


async def allow(db: Connection, prints: Collection[str]) -> None:
    """Undo `suppress`."""
    await db.execute(ALLOW, list(prints), OPT_OUT)


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
    return event


def _event(settlement: Settlement, version: int, now: datetime) -> DeliveryEvent:
    return state_event(
        settlement.message,
        version,
        now,
        state=State.FAILED if settlement.falls_back else settlement.state,
        channel=settlement.channel,
        provider=settlement.provider,
        reason=settlement.reason,
        falls_back=settlement.falls_back,
        parts=settlement.parts,
    )


def _columns(settlements: Sequence[Settlement]) -> tuple[list[Any], ...]:
    """The arrays of SETTLE, in its order."""
    return (
        [s.message.id for s in settlements],
        [s.message.tries for s in settlements],
        [s.state.value for s in settlements],
        [s.stated for s in settlements],
        [s.channel.value if s.channel else None for s in settlements],
        [s.provider for s in settlements],
        [s.reference for s in settlements],
        [s.parts for s in settlements],
        [s.reason.value if s.reason else None for s in settlements],
        [s.falls_back for s in settlements],
        [s.counts for s in settlements],
        [s.not_before for s in settlements],
        [s.message.state.value for s in settlements],
    )


def _receipt(row: Any) -> Receipt:
    return Receipt(row["try"], ReceiptStatus(row["status"]), Reason(row["code"]) if row["code"] else None)


def _accepted(settlement: Settlement) -> Message:
    message = settlement.message
    return replace(message, channel=settlement.channel, provider=settlement.provider, state=State.ACCEPTED)


def message_of(row: Any) -> Message:
    """A row as a message."""
    return Message(
        id=row["id"],
        organisation_id=row["organisation_id"],
        lane=Lane(row["lane"]),
        template=row["template"],
        text=_TEXT.validate_json(row["text"]),
        language=row["language"],
        attempt=row["attempt"],
        created_at=row["created_at"],
        fingerprints=orjson.loads(row["fingerprints"]),
        contact=row["contact"],
        about=row["about"],
        phone=row["phone"],
        chat_id=row["chat_id"],
        secrets=row["secrets"],
        not_after=row["not_after"],
        appointment_id=row["appointment_id"],
        cycle=row["cycle"],
        challenge_id=row["challenge_id"],
        unit_id=row["unit_id"],
        causation_id=row["causation_id"],
        state=State(row["state"]),
        channel=Channel(row["channel"]) if row["channel"] else None,
        tried=tuple(Channel(name) for name in row["tried"]),
        provider=row["provider"],
        tries=row["tries"],
        transient=row["transient"],
        version=row["version"],
        traceparent=row["traceparent"],
    )
