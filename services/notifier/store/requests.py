"""What Kafka asks: message requests, decided challenges, erased persons; each method is one transaction."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from services.notifier.domain.invitation import DECIDED, Learned
from services.notifier.domain.message import Message
from services.notifier.domain.ports import Informant
from services.notifier.store import rows
from services.notifier.store.database import Connection, Database
from shared.events import ChallengeEvent, DeliveryEvent, PersonErased

# Who takes a message holds this, and who erases waits for it: a message that is being taken while its person is erased
# would else be seen by neither. A statement of its own, since a statement sees what was committed when it began.
HOLD = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::text, 0))"
HOLD_ALONE = """
SELECT pg_advisory_xact_lock(hashtextextended(id::text, 0))
FROM (SELECT unnest($1::uuid[]) AS id ORDER BY 1) AS ordered
"""
ERASED = "SELECT 1 FROM erased WHERE appointment_id = $1"

# Another attempt of the same challenge tells the same, except a later code; state and version are otp's word alone.
LEARN = """
INSERT INTO invitation (challenge_id, organisation_id, appointment_id, cycle, handle_hash, fingerprints, prints,
  organisation, unit, post, language, contact, about, code_not_after, not_after, created_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)
ON CONFLICT (challenge_id) DO UPDATE SET
  handle_hash = coalesce(EXCLUDED.handle_hash, invitation.handle_hash), fingerprints = EXCLUDED.fingerprints,
  prints = EXCLUDED.prints, organisation = EXCLUDED.organisation, unit = EXCLUDED.unit, post = EXCLUDED.post,
  language = EXCLUDED.language, contact = EXCLUDED.contact, about = EXCLUDED.about,
  code_not_after = greatest(EXCLUDED.code_not_after, invitation.code_not_after),
  not_after = coalesce(invitation.not_after, EXCLUDED.not_after), changed_at = EXCLUDED.changed_at
RETURNING state
"""

DECIDE = """
INSERT INTO invitation (challenge_id, organisation_id, appointment_id, cycle, state, version, created_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (challenge_id) DO UPDATE SET state = EXCLUDED.state, version = EXCLUDED.version,
  changed_at = EXCLUDED.changed_at
WHERE invitation.version < EXCLUDED.version
RETURNING challenge_id
"""

# What is erased by appointment ($1; $2 is now), then by phone ($1: all fingerprints of it).
FORGET_APPOINTMENTS = (
    "INSERT INTO erased (appointment_id, erased_at) SELECT id, $2 FROM unnest($1::uuid[]) AS id ON CONFLICT DO NOTHING",
    "UPDATE message SET contact = NULL, phone = NULL, secrets = NULL, fingerprints = '{}', changed_at = $2 "
    "WHERE appointment_id = ANY($1::uuid[])",
    "UPDATE invitation SET contact = NULL, about = NULL, handle_hash = NULL, fingerprints = '{}', prints = '{}', "
    "changed_at = $2 WHERE appointment_id = ANY($1::uuid[])",
)
# `?|` over all values of the object: any fingerprint of the phone, under whichever key.
FORGET_PHONES = (
    "UPDATE message SET contact = NULL, phone = NULL, secrets = NULL, fingerprints = '{}' "
    "WHERE jsonb_path_query_array(fingerprints, '$.*') ?| $1::text[]",
    "UPDATE inbound_sms SET payload = NULL, phone = NULL, fingerprints = '{}' "
    "WHERE jsonb_path_query_array(fingerprints, '$.*') ?| $1::text[]",
    "DELETE FROM suppression WHERE fingerprint = ANY($1::text[])",
    "DELETE FROM dialog WHERE chat_id IN (SELECT chat_id FROM telegram_account WHERE prints && $1::text[])",
    "UPDATE telegram_update SET payload = NULL, state = 'done' "
    "WHERE chat_id IN (SELECT chat_id FROM telegram_account WHERE prints && $1::text[])",
    "DELETE FROM telegram_account WHERE prints && $1::text[]",
)
# Evidence is sealed, and nobody needs it any more; the rows that say whose it is are forgotten after it.
FORGET_REPLIES = """
DELETE FROM outbox WHERE type = 'reply.received.v1' AND (body::jsonb ->> 'subject')::uuid IN (
  SELECT reply_id FROM inbound_sms WHERE jsonb_path_query_array(fingerprints, '$.*') ?| $1::text[]
  UNION ALL
  SELECT reply_id FROM telegram_reply JOIN telegram_account USING (chat_id) WHERE prints && $1::text[])
"""
OF_ERASED = "SELECT DISTINCT challenge_id FROM message WHERE appointment_id = ANY($1) AND challenge_id IS NOT NULL"


class Requests:
    """The notifier's ear on Kafka."""

    def __init__(self, database: Database, informant: Informant) -> None:
        """`informant` writes the bot's rows in the same transactions."""
        self._database = database
        self._informant = informant

    async def take(self, message: Message, learned: Learned | None, now: datetime) -> bool:
        """Put a message into the ledger, once, and learn its invitation; False when it was there already or its
        person is erased. What arrives for a challenge that is decided is stated as dropped, not sent."""
        async with self._database.transaction() as db:
            if message.appointment_id is not None:
                await db.execute(HOLD, str(message.appointment_id))
                if await db.fetchval(ERASED, message.appointment_id):
                    return False
            state = await _learn(db, learned, now) if learned else "open"
            added = await rows.add(db, message, now)
            if added and state != "open" and message.challenge_id is not None:
                await rows.drop_unsent(db, message.challenge_id, now)
            return added

    async def decide(self, event: ChallengeEvent, now: datetime) -> list[DeliveryEvent]:
        """Note what otp states of a challenge, drop what is unsent for it, tell the bot. An older version than the
        known one changes nothing."""
        async with self._database.transaction() as db:
            known = await db.fetchval(
                DECIDE, event.subject, event.organisation_id, event.appointment_id, event.cycle,
                DECIDED[type(event)], event.version, now,
            )  # fmt: skip
            if known is None:
                return []
            dropped = await rows.drop_unsent(db, event.subject, now)
            await self._informant.changed(db, event)
        self._informant.committed()
        return dropped

    async def erase(self, event: PersonErased, now: datetime) -> None:
        """Erase a person; later events about the appointments are refused."""
        appointments: Sequence[UUID] = list(event.appointment_ids)
        prints = [print_ for phone in event.fingerprints for print_ in phone.values()]
        async with self._database.transaction() as db:
            await db.execute(HOLD_ALONE, appointments)
            await db.execute(FORGET_REPLIES, prints)
            for row in await db.fetch(OF_ERASED, appointments):
                await rows.drop_unsent(db, row["challenge_id"], now)
            await self._informant.erased(db, event)
            for statement in FORGET_APPOINTMENTS:
                await db.execute(statement, appointments, now)
            for statement in FORGET_PHONES:
                await db.execute(statement, prints)
        self._informant.committed()


async def _learn(db: Connection, learned: Learned, now: datetime) -> str:
    state = await db.fetchval(
        LEARN, learned.challenge_id, learned.organisation_id, learned.appointment_id, learned.cycle,
        learned.handle_hash, orjson.dumps(dict(learned.fingerprints)).decode(), list(learned.fingerprints.values()),
        learned.organisation.model_dump_json(), learned.unit.model_dump_json(), learned.post.model_dump_json(),
        learned.language, learned.contact, learned.about, learned.code_not_after, learned.not_after, now,
    )  # fmt: skip
    return str(state)
