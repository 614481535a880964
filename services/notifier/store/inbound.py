"""SMS that came in: an encrypted row first, handled from there, answered at most once."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.notifier.domain.conversation import Arrived, Done, Questions, Reply
from services.notifier.domain.invitation import Known
from services.notifier.domain.message import Message
from services.notifier.domain.ports import Informant
from services.notifier.store import outbox, rows
from services.notifier.store.database import Connection, Database, answering
from shared.events import Label, ReplyJudged
from shared.telemetry import current_trace

ADD = """
INSERT INTO inbound_sms (provider, inbound_id, reply_id, payload, traceparent, received_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""

# Oldest first; a row that another replica handles is passed over.
CLAIM = """
SELECT provider, inbound_id, reply_id, payload, tries, traceparent, received_at FROM inbound_sms
WHERE state = 'received' ORDER BY received_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""

DONE = """
UPDATE inbound_sms SET state = 'done', done_at = $2, conversation_id = $3, fingerprints = $4, phone = $5, kind = $6,
  payload = NULL
WHERE reply_id = $1
"""
FAILED = """
UPDATE inbound_sms SET tries = tries + 1, state = CASE WHEN tries + 1 >= $2 THEN 'dead' ELSE 'received' END
WHERE reply_id = $1
"""
REPLY = """
SELECT conversation_id, phone, fingerprints, answered_at FROM inbound_sms WHERE reply_id = $1 FOR UPDATE
"""
ANSWERED = "UPDATE inbound_sms SET answered_at = $2, kind = $3, phone = NULL WHERE reply_id = $1"
RECENT = "SELECT answered_at, kind FROM inbound_sms WHERE conversation_id = $1 AND answered_at > $2"
KNOWN = """
SELECT challenge_id, organisation_id, unit, post, language, contact, about FROM invitation WHERE challenge_id = $1
"""
LANGUAGE = """
SELECT language FROM invitation WHERE prints && $1::text[] AND language IS NOT NULL ORDER BY changed_at DESC LIMIT 1
"""

MAX_TRIES = 5


Handle = Callable[[Arrived, Questions], Awaitable[Done | None]]
"""None: it failed; tried again, and dead after MAX_TRIES."""
Answer = Callable[[Reply, Questions], Awaitable[tuple[Message, str] | None]]


class Inbound:
    """The SMS intake."""

    def __init__(self, database: Database, informant: Informant) -> None:
        """`informant` hears of replies that are not SMS."""
        self._database = database
        self._informant = informant

    async def add(self, provider: str, inbound_id: str, reply_id: UUID, payload: str, now: datetime) -> bool:
        """Keep an encrypted inbound message; False when it is there already. Committed when this returns."""
        async with self._database.connection() as db:
            status = await db.execute(ADD, provider, inbound_id, reply_id, payload, current_trace.get(), now)
            return str(status).endswith(" 1")

    async def next(self, handle: Handle, now: datetime) -> bool:
        """Take the oldest unhandled message through `handle` and write what follows, in one transaction; False when
        there is none."""
        async with self._database.transaction() as db:
            row = await db.fetchrow(CLAIM)
            if row is None:
                return False
            arrived = Arrived(row["reply_id"], row["payload"], row["traceparent"], row["received_at"])
            done = await handle(arrived, _Questions(db))
            if done is None:
                await db.execute(FAILED, arrived.reply_id, MAX_TRIES)
                return True
            await _write(db, arrived, done, now)
            return True

    async def judged(self, event: ReplyJudged, answer: Answer, now: datetime) -> bool:
        """Answer a judged reply, once: by SMS here, else by the bot. `answer` composes the message, or None for
        silence. True when it was an SMS."""
        async with self._database.transaction() as db:
            row = await db.fetchrow(REPLY, event.subject)
            if row is None:
                await self._informant.judged(db, event)
            elif row["answered_at"] is None and row["conversation_id"] is not None:
                prints = orjson.loads(row["fingerprints"])
                reply = Reply(event.subject, row["conversation_id"], row["phone"], prints)
                composed = await answer(reply, _Questions(db))
                if composed is not None:
                    message, kind = composed
                    await rows.add(db, [message], now)
                    await db.execute(ANSWERED, event.subject, now, kind)
        self._informant.committed()
        return row is not None


class _Questions:
    """What handling may ask inside the transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    async def known(self, challenge_id: UUID) -> Known | None:
        """The invitation of a challenge."""
        with answering():
            row = await self._db.fetchrow(KNOWN, challenge_id)
        return _known(row) if row is not None else None

    async def language(self, prints: Sequence[str]) -> str | None:
        """The language in which this phone was last invited."""
        with answering():
            language = await self._db.fetchval(LANGUAGE, list(prints))
        return str(language) if language else None

    async def answered(self, conversation_id: UUID, now: datetime) -> list[tuple[datetime, str]]:
        """Answers to this conversation within a day: when, and what."""
        with answering():
            found = await self._db.fetch(RECENT, conversation_id, now - timedelta(days=1))
        return [(row["answered_at"], row["kind"] or "") for row in found]


async def _write(db: Connection, arrived: Arrived, done: Done, now: datetime) -> None:
    prints = list(done.fingerprints.values())
    await db.execute(
        DONE, arrived.reply_id, now, done.conversation_id, orjson.dumps(dict(done.fingerprints)).decode(), done.phone,
        done.kind,
    )  # fmt: skip
    if done.suppress is True:
        await rows.suppress(db, prints, "sms", now)
    elif done.suppress is False:
        await rows.allow(db, prints, now)
    if done.answer is not None:
        await rows.add(db, [done.answer], now)
        await db.execute(ANSWERED, arrived.reply_id, now, done.kind)
    await outbox.put(db, done.events, now, [arrived.traceparent] * len(done.events))


def _known(row: Any) -> Known:
    unit = orjson.loads(row["unit"]) if row["unit"] else None
    post = orjson.loads(row["post"]) if row["post"] else None
    return Known(
        row["challenge_id"],
        row["organisation_id"],
        Label.model_validate(unit["label"]) if unit else None,
        Label.model_validate(post["label"]) if post else None,
        row["language"] or "hi",
        row["contact"],
        row["about"],
    )
