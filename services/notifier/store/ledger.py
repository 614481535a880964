"""The ledger: messages from queued to their outcome; every guard against a second send is a WHERE clause here."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier.domain.delivery import Settlement, state_event
from services.notifier.domain.message import Link, Message, State
from services.notifier.domain.routing import OPT_OUT
from services.notifier.store import outbox, rows
from services.notifier.store.database import Connection, Database
from services.notifier.store.receipts import apply_parked
from shared.events import DeliveryEvent, Lane

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

# The outcome of a try, and its event where the version is the foreseen one. From `unknown` only an acceptance still
# counts: the lease ran out while the answer was on its way. What nobody needs any more (sealed fields, whose it is)
# goes at once.
SETTLE = """
WITH new AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::text[], $8::int[],
    $9::text[], $10::bool[], $11::bool[], $12::timestamptz[], $13::text[])
    AS new (id, tries, state, stated, channel, provider, reference, parts, reason, falls_back, counts, not_before, was)
), held AS (
  SELECT id FROM message WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
), settled AS (
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
    secrets = CASE WHEN new.state IN ('queued', 'unknown') THEN message.secrets END,
    contact = CASE WHEN new.state IN ('queued', 'unknown') THEN message.contact END,
    phone = CASE WHEN new.state = 'queued' THEN message.phone END,
    fingerprints = CASE WHEN new.state IN ('queued', 'unknown') THEN message.fingerprints ELSE '{}' END,
    changed_at = $14::timestamptz
  FROM new JOIN held USING (id)
  WHERE message.id = new.id AND message.tries = new.tries
    AND (message.state = new.was OR (message.state = 'unknown' AND new.state = 'accepted'))
  RETURNING message.id, message.version
), told AS (
  INSERT INTO outbox (type, body, urgent, traceparent, created_at)
  SELECT event.type, event.body, event.urgent, event.trace, $14::timestamptz
  FROM unnest($15::uuid[], $16::int[], $17::text[], $18::text[], $19::bool[], $20::text[])
    AS event (id, version, type, body, urgent, trace)
  JOIN settled ON settled.id = event.id AND settled.version = event.version
)
SELECT id, version FROM settled
"""

# Locked before the message, in the order of `decide`: of a decision and a requeue at one time, the later sees both.
STANDING = "SELECT challenge_id, state FROM invitation WHERE challenge_id = ANY($1::uuid[]) ORDER BY 1 FOR SHARE"

# An account in doubt gets nothing, but that it wants no announcements still counts: its contact is as old as can be.
LINKS = """
SELECT user_id, chat_id, language, prints, coalesce(contact_shared_at, 'epoch') AS contact_shared_at, reachable,
  announcements
FROM telegram_account WHERE prints && $1::text[] ORDER BY contact_shared_at NULLS FIRST
"""
SUPPRESSED = "SELECT fingerprint FROM suppression WHERE purpose = $2 AND fingerprint = ANY($1::text[])"


class Ledger:
    """What the sender needs of PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lane: Lane, limit: int, now: datetime, visible: timedelta) -> list[Message]:
        """Up to `limit` due messages of the lane, oldest first; nobody else gets them for `visible`."""
        async with self._database.connection() as db:
            found = await db.fetch(CLAIM, lane.value, now, now + visible, limit)
        readable = (rows.readable(row) for row in sorted(found, key=lambda row: row["created_at"]))
        return [message for message in readable if message is not None]

    async def release(self, ids: Collection[UUID], now: datetime) -> None:
        """Give claimed messages back that were not sent: they are due at once."""
        async with self._database.connection() as db:
            await db.execute(RELEASE, list(ids), now)

    async def stamp(self, stamps: Sequence[Settlement], now: datetime, lease: timedelta) -> list[bool]:
        """Write the intent to send; committed when this returns. False: somebody else has it, or it was dropped."""
        async with self._database.connection() as db:
            found = await db.fetch(
                STAMP,
                [s.message.id for s in stamps],
                [s.message.tries for s in stamps],
                [s.channel.value if s.channel else None for s in stamps],
                [s.provider for s in stamps],
                [s.parts for s in stamps],
                now + lease,
                now,
            )
        mine = {row["id"] for row in found}
        return [s.message.id in mine for s in stamps]

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[bool]:
        """Write outcomes with their events, and what parked receipts add, in one transaction; what goes back into the
        queue for a challenge that was decided during the call is dropped. False: another process has decided
        meanwhile, nothing was written."""
        async with self._database.transaction() as db:
            over = await _over(db, settlements)
            foreseen = [s for s in settlements if s.stated]
            events = [_event(s, s.message.version + 1, now) for s in foreseen]
            found = await db.fetch(
                SETTLE, *_columns(settlements), now, [e.subject for e in events], [e.version for e in events],
                *outbox.columns(events, [s.message.traceparent for s in foreseen]),
            )  # fmt: skip
            versions = {row["id"]: row["version"] for row in found}
            written = [s for s in settlements if s.message.id in versions]
            late = [s for s in written if s.stated and versions[s.message.id] != s.message.version + 1]
            events = [_event(s, versions[s.message.id], now) for s in late]
            await outbox.put(db, events, now, [s.message.traceparent for s in late])
            for settlement in written:
                if settlement.suppress:
                    await rows.suppress(db, settlement.message.prints, "provider", now)
            await apply_parked(db, [(_sent(s), s.state, versions[s.message.id]) for s in written], now)
            for challenge_id in over:
                await rows.drop_unsent(db, challenge_id, now)
        return [s.message.id in versions for s in settlements]

    async def links(self, prints: Collection[str]) -> list[Link]:
        """Telegram accounts that are linked with one of these phones, the latest shared contact last."""
        async with self._database.connection() as db:
            found = await db.fetch(LINKS, list(prints))
        return [Link(**{**row, "prints": tuple(row["prints"])}) for row in map(dict, found)]

    async def opted_out(self, prints: Collection[str]) -> set[str]:
        """Which of these phones want no announcements."""
        async with self._database.connection() as db:
            return {row["fingerprint"] for row in await db.fetch(SUPPRESSED, list(prints), OPT_OUT)}


async def _over(db: Connection, settlements: Sequence[Settlement]) -> list[UUID]:
    """Decided challenges of what was being sent and is queued again: the decision found nothing to drop."""
    back = {s.message.challenge_id for s in settlements if s.returns and s.message.challenge_id}
    if not back:
        return []
    return [row["challenge_id"] for row in await db.fetch(STANDING, list(back)) if row["state"] != "open"]


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


def _sent(settlement: Settlement) -> Message:
    return replace(settlement.message, channel=settlement.channel, provider=settlement.provider)
