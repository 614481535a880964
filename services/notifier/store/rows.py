"""Rows of the ledger: put in, read out, dropped, and who wants no announcements."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from pydantic import TypeAdapter

from services.notifier.domain.delivery import state_event
from services.notifier.domain.message import Message, State, Text
from services.notifier.domain.routing import OPT_OUT
from services.notifier.store import outbox
from services.notifier.store.database import Connection
from shared.events import Channel, DeliveryEvent, Lane, Reason

log = structlog.get_logger(__name__)

_TEXT: TypeAdapter[Text] = TypeAdapter(Text)

# $1: a JSON array of what `_fields` makes; $2: now.
ADD = """
INSERT INTO message (id, organisation_id, lane, template, text, language, attempt, fingerprints, contact, about, phone,
  chat_id, secrets, not_after, appointment_id, cycle, challenge_id, unit_id, causation_id, traceparent, not_before,
  created_at, changed_at)
SELECT id, organisation_id, lane, template, text, language, attempt, fingerprints, contact, about, phone,
  chat_id, secrets, not_after, appointment_id, cycle, challenge_id, unit_id, causation_id, traceparent,
  $2::timestamptz, $2, $2
FROM json_to_recordset($1::json) AS new (id uuid, organisation_id uuid, lane text, template text, text jsonb,
  language text, attempt int, fingerprints jsonb, contact text, about text, phone text, chat_id bigint, secrets text,
  not_after timestamptz, appointment_id uuid, cycle int, challenge_id uuid, unit_id uuid, causation_id uuid,
  traceparent text)
WHERE NOT EXISTS (SELECT FROM erased WHERE erased.appointment_id = new.appointment_id)
ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING id
"""

DROP = """
UPDATE message SET state = 'failed', reason = 'dropped', version = version + 1, changed_at = $2,
  secrets = NULL, contact = NULL, phone = NULL, fingerprints = '{}'
WHERE challenge_id = $1 AND template = 'invitation' AND state = 'queued' RETURNING *
"""

SUPPRESS = """
INSERT INTO suppression (fingerprint, purpose, source, since)
SELECT print, $2, $3, $4 FROM unnest($1::text[]) AS print ON CONFLICT DO NOTHING
"""
# /stop in the bot is the account's own wish; who takes it back by SMS has taken both back.
ALLOW_BY_BOT = "UPDATE telegram_account SET announcements = true, changed_at = $2 WHERE prints && $1::text[]"
ALLOW = "DELETE FROM suppression WHERE fingerprint = ANY($1::text[]) AND purpose = $2"


async def add(db: Connection, messages: Sequence[Message], now: datetime) -> set[UUID]:
    """Put messages into the queue; returns the new ones: those that are there already (a message's id is its inbox) or
    whose person is erased are passed over."""
    return {row["id"] for row in await db.fetch(ADD, array([_fields(message) for message in messages]), now)}


def array(items: Sequence[Mapping[str, object]]) -> str:
    """A JSON array for json_to_recordset; ids may be the driver's own kind of UUID."""
    return orjson.dumps(items, default=str).decode()


def _fields(message: Message) -> dict[str, object]:
    """A new message as JSON that PostgreSQL reads."""
    return {
        "id": message.id,
        "organisation_id": message.organisation_id,
        "lane": message.lane.value,
        "template": message.template,
        "text": orjson.Fragment(message.text.model_dump_json(exclude_none=True)),
        "language": message.language,
        "attempt": message.attempt,
        "fingerprints": dict(message.fingerprints),
        "contact": message.contact,
        "about": message.about,
        "phone": message.phone,
        "chat_id": message.chat_id,
        "secrets": message.secrets,
        "not_after": message.not_after,
        "appointment_id": message.appointment_id,
        "cycle": message.cycle,
        "challenge_id": message.challenge_id,
        "unit_id": message.unit_id,
        "causation_id": message.causation_id,
        "traceparent": message.traceparent,
    }


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


async def allow(db: Connection, prints: Collection[str], now: datetime) -> None:
    """Announcements to this phone again, whichever way they were stopped."""
    await db.execute(ALLOW, list(prints), OPT_OUT)
    await db.execute(ALLOW_BY_BOT, list(prints), now)


def readable(row: Any) -> Message | None:
    """None for a row of a newer version of ourselves (a rolling upgrade): its own process takes it."""
    try:
        return message_of(row)
    except ValueError as error:
        log.warning("message of another version", message_id=str(row["id"]), exc_info=error)
        return None


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
