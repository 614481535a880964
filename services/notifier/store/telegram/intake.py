"""Updates as they came, encrypted and committed before Telegram is told, handled in order per chat."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from services.notifier.domain.ports import Vault
from services.notifier.store.database import Connection, Database
from shared.errors import Failure
from shared.telemetry import current_trace

ADD = """
INSERT INTO telegram_update (bot_id, update_id, chat_id, kind, payload, traceparent, received_at)
SELECT $1, update_id, chat_id, kind, payload, $6, $7
FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[]) AS new (update_id, chat_id, kind, payload)
ON CONFLICT DO NOTHING
"""

# The oldest open update whose chat has no older open one. A row that another worker holds is passed over, and it
# keeps the later ones of its chat back until its transaction has ended.
CLAIM = """
SELECT update_id, chat_id, kind, payload, tries, traceparent FROM telegram_update AS u
WHERE bot_id = $1 AND state = 'received' AND not_before <= $2 AND NOT EXISTS (
  SELECT 1 FROM telegram_update AS earlier
  WHERE earlier.bot_id = u.bot_id AND earlier.chat_id = u.chat_id AND earlier.state = 'received'
    AND earlier.update_id < u.update_id)
ORDER BY update_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

DONE = """
UPDATE telegram_update SET state = 'done', payload = NULL, done_at = $3 WHERE bot_id = $1 AND update_id = $2
"""
DEAD = """
UPDATE telegram_update SET state = 'dead', error = $3, done_at = $4 WHERE bot_id = $1 AND update_id = $2
"""
AGAIN = """
UPDATE telegram_update SET tries = tries + 1, error = $3, not_before = $4 WHERE bot_id = $1 AND update_id = $2
"""
WAITING = "SELECT count(*) FROM telegram_update WHERE bot_id = $1 AND state = 'received'"
FORGET = "DELETE FROM telegram_update WHERE state <> 'received' AND received_at < $1"


@dataclass(frozen=True, slots=True)
class Update:
    """One update as a row."""

    id: int
    chat_id: int | None
    kind: str | None
    tries: int
    traceparent: str | None
    raw: bytes | None = field(repr=False)
    """JSON as Telegram sent it; None where it does not open any more."""


class Intake:
    """Updates of one bot."""

    def __init__(self, database: Database, vault: Vault, bot_id: int) -> None:
        self._database = database
        self._vault = vault
        self._bot_id = bot_id

    async def keep(self, updates: Sequence[Mapping[str, Any]], now: datetime) -> None:
        """Commit updates (each with an integer `update_id`); one that is there already stays as it is."""
        if not updates:
            return
        ids = [update["update_id"] for update in updates]
        rows = [_about(update) for update in updates]
        boxes = [self._vault.lock(orjson.dumps(update), self._subject(update["update_id"])) for update in updates]
        chats, kinds = [chat for _, chat in rows], [kind for kind, _ in rows]
        async with self._database.connection() as db:
            await db.execute(ADD, self._bot_id, ids, chats, kinds, boxes, current_trace.get(), now)

    @contextlib.asynccontextmanager
    async def next(self, now: datetime) -> AsyncIterator[tuple[Connection, Update] | None]:
        """The next update to handle, held in a transaction that ends with the block: what the block writes and
        `done` are committed together, or neither."""
        async with self._database.transaction() as db:
            row = await db.fetchrow(CLAIM, self._bot_id, now)
            if row is None:
                yield None
                return
            raw = self._open(row)
            yield db, Update(row["update_id"], row["chat_id"], row["kind"], row["tries"], row["traceparent"], raw)

    def _open(self, row: Any) -> bytes | None:
        try:
            return self._vault.unlock(row["payload"], self._subject(row["update_id"]))
        except Failure:
            return None

    async def done(self, db: Connection, update_id: int, now: datetime) -> None:
        """Handled: the content is not kept."""
        await db.execute(DONE, self._bot_id, update_id, now)

    async def dead(self, db: Connection, update_id: int, problem: str, now: datetime) -> None:
        """Given up: the content stays, encrypted, for whoever looks into it."""
        await db.execute(DEAD, self._bot_id, update_id, problem, now)

    async def again(self, update_id: int, problem: str, not_before: datetime) -> None:
        """Handling failed: once more, later."""
        async with self._database.connection() as db:
            await db.execute(AGAIN, self._bot_id, update_id, problem, not_before)

    async def give_up(self, update_id: int, problem: str, now: datetime) -> None:
        """`dead`, in a transaction of its own."""
        async with self._database.connection() as db:
            await self.dead(db, update_id, problem, now)

    async def waiting(self) -> int:
        """How many updates are not handled yet."""
        async with self._database.connection() as db:
            return int(await db.fetchval(WAITING, self._bot_id))

    async def forget(self, before: datetime) -> None:
        """Drop handled and dead rows that came before that moment."""
        async with self._database.connection() as db:
            await db.execute(FORGET, before)

    def _subject(self, update_id: int) -> str:
        return f"telegram:{self._bot_id}:{update_id}"


def _about(update: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """The kind of an update and the chat whose order it keeps; nothing is certain about its shape."""
    kind = next((key for key in update if key != "update_id"), None)
    content = update.get(kind) if kind else None
    if not isinstance(content, dict):
        return kind, None
    message = content.get("message")
    holder = message if isinstance(message, dict) else content
    found = holder.get("chat") or content.get("from")
    chat_id = found.get("id") if isinstance(found, dict) else None
    fits = isinstance(chat_id, int) and not isinstance(chat_id, bool) and abs(chat_id) < 2**63
    return kind, chat_id if fits else None
