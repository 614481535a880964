"""What Kafka asks: message requests, decided challenges, erased persons; each method is one transaction."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from services.notifier.domain.invitation import DECIDED, Asked, Learned, Taken
from services.notifier.domain.ports import Informant
from services.notifier.store import rows
from services.notifier.store.database import Connection, Database
from shared.events import ChallengeEvent, DeliveryEvent, PersonErased

# Who takes a message holds this, and who erases waits for it: a message that is being taken while its person is erased
# would else be seen by neither. A statement of its own, since a statement sees what was committed when it began. In the
# order of ids, so that no two wait for each other in a circle.
HOLD = """
SELECT pg_advisory_xact_lock_shared(hashtextextended(id::text, 0))
FROM (SELECT unnest($1::uuid[]) AS id ORDER BY 1) AS ordered
"""
HOLD_ALONE = """
SELECT pg_advisory_xact_lock(hashtextextended(id::text, 0))
FROM (SELECT unnest($1::uuid[]) AS id ORDER BY 1) AS ordered
"""

# Another attempt of the same challenge tells the same, except a later code; state and version are otp's word alone.
# $1: what `_fields` makes, $2: now.
LEARN = """
INSERT INTO invitation (challenge_id, organisation_id, appointment_id, cycle, handle_hash, fingerprints, prints,
  organisation, unit, post, language, contact, about, code_not_after, not_after, created_at, changed_at)
SELECT challenge_id, organisation_id, appointment_id, cycle, handle_hash, fingerprints, prints, organisation, unit,
  post, language, contact, about, code_not_after, not_after, $2::timestamptz, $2
FROM json_to_recordset($1::json) AS new (challenge_id uuid, organisation_id uuid, appointment_id uuid, cycle int,
  handle_hash text, fingerprints jsonb, prints text[], organisation jsonb, unit jsonb, post jsonb, language text,
  contact text, about text, code_not_after timestamptz, not_after timestamptz)
WHERE NOT EXISTS (SELECT FROM erased WHERE erased.appointment_id = new.appointment_id)
ORDER BY challenge_id
ON CONFLICT (challenge_id) DO UPDATE SET
  handle_hash = coalesce(EXCLUDED.handle_hash, invitation.handle_hash), fingerprints = EXCLUDED.fingerprints,
  prints = EXCLUDED.prints, organisation = EXCLUDED.organisation, unit = EXCLUDED.unit, post = EXCLUDED.post,
  language = EXCLUDED.language, contact = EXCLUDED.contact, about = EXCLUDED.about,
  code_not_after = greatest(EXCLUDED.code_not_after, invitation.code_not_after),
  not_after = coalesce(invitation.not_after, EXCLUDED.not_after), changed_at = EXCLUDED.changed_at
RETURNING challenge_id, state
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
    "WHERE fingerprints <> '{}' AND jsonb_path_query_array(fingerprints, '$.*') ?| $1::text[]",
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

    async def take(self, asked: Sequence[Asked], now: datetime) -> Taken:
        """Put messages into the ledger, each once, and learn their invitations, in one transaction; passed over are
        those that are there already or whose person is erased. What arrives for a challenge that is decided is stated
        as dropped, not sent."""
        async with self._database.transaction() as db:
            appointments = {each.message.appointment_id for each in asked if each.message.appointment_id is not None}
            if appointments:
                await db.execute(HOLD, list(appointments))
            over = await _learn(db, [each.learned for each in asked if each.learned is not None], now)
            new = await rows.add(db, [each.message for each in asked], now)
            late = over & {each.message.challenge_id for each in asked if each.message.id in new}
            dropped = [event for each in sorted(late) for event in await rows.drop_unsent(db, each, now)]
        return Taken([each.message.id in new for each in asked], dropped)

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


async def _learn(db: Connection, learned: Sequence[Learned], now: datetime) -> set[UUID]:
    """Note invitations; returns the challenges among them that are decided already."""
    if not learned:
        return set()
    found = await db.fetch(LEARN, rows.array([_fields(each) for each in learned]), now)
    return {row["challenge_id"] for row in found if row["state"] != "open"}


def _fields(learned: Learned) -> dict[str, object]:
    """An invitation as JSON that PostgreSQL reads."""
    return {
        "challenge_id": learned.challenge_id,
        "organisation_id": learned.organisation_id,
        "appointment_id": learned.appointment_id,
        "cycle": learned.cycle,
        "handle_hash": learned.handle_hash,
        "fingerprints": dict(learned.fingerprints),
        "prints": list(learned.fingerprints.values()),
        "organisation": orjson.Fragment(learned.organisation.model_dump_json()),
        "unit": orjson.Fragment(learned.unit.model_dump_json()),
        "post": orjson.Fragment(learned.post.model_dump_json()),
        "language": learned.language,
        "contact": learned.contact,
        "about": learned.about,
        "code_not_after": learned.code_not_after,
        "not_after": learned.not_after,
    }
