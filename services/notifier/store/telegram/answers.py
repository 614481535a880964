"""What the bot is going to say: rows written with what caused them, said in order per chat, then emptied."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier.domain.ports import Vault
from services.notifier.store.database import Connection, Database
from shared.ids import new_id

ADD = """
INSERT INTO telegram_answer (bot_id, chat_id, method, payload, locked_about, challenge_id, not_before, not_after,
  created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7)
"""

# The oldest row of its chat, if it is due. One that was being said when its process died is said again: an answer
# that comes twice is better than none.
CLAIM = """
UPDATE telegram_answer SET state = 'saying', tries = tries + 1, lease_until = $3
WHERE id = (
  SELECT id FROM telegram_answer AS a
  WHERE bot_id = $1 AND state IN ('waiting', 'saying') AND not_before <= $2
    AND (lease_until IS NULL OR lease_until < $2)
    AND NOT EXISTS (
      SELECT 1 FROM telegram_answer AS earlier
      WHERE earlier.bot_id = a.bot_id AND earlier.chat_id = a.chat_id AND earlier.id < a.id
        AND earlier.state IN ('waiting', 'saying'))
  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, chat_id, method, payload, locked_about, challenge_id, tries, not_after
"""

SAID = """
UPDATE telegram_answer SET state = 'said', payload = NULL, lease_until = NULL, done_at = $2 WHERE id = $1
"""
DEAD = """
UPDATE telegram_answer SET state = 'dead', payload = NULL, lease_until = NULL, error = $2, done_at = $3 WHERE id = $1
"""
LATER = """
UPDATE telegram_answer SET state = 'waiting', lease_until = NULL, not_before = $2, error = $3, tries = $4
WHERE id = $1
"""
SILENCE = """
UPDATE telegram_answer SET state = 'dead', payload = NULL, lease_until = NULL, error = $3, done_at = $4
WHERE bot_id = $1 AND chat_id = $2 AND state = 'waiting'
"""
ASKED = """
INSERT INTO telegram_question (chat_id, message_id, challenge_id, asked_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (chat_id, message_id) DO UPDATE SET challenge_id = $3
"""
CHATS = "SELECT chat_id FROM telegram_account WHERE prints && $1::text[]"
ERASE = (
    f"DELETE FROM telegram_answer WHERE chat_id IN ({CHATS})",  # noqa: S608 # our text
    f"DELETE FROM telegram_question WHERE chat_id IN ({CHATS})",  # noqa: S608
    f"DELETE FROM telegram_reply WHERE chat_id IN ({CHATS})",  # noqa: S608
)
FORGET = "DELETE FROM telegram_answer WHERE state IN ('said', 'dead') AND created_at < $1"
FORGET_REPLIES = "DELETE FROM telegram_reply WHERE replied_at < $1"


@dataclass(frozen=True, slots=True)
class Said:
    """One call that the bot is going to make."""

    method: str
    payload: bytes = field(repr=False)
    """The call's parameters as JSON."""
    chat_id: int | None
    """Its order; None for an answer to a tap, which waits for nothing."""
    challenge_id: UUID | None = None
    """The challenge that this message asks about: its buttons go when that is over."""
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A call in hand."""

    id: int
    tries: int
    said: Said


class Answers:
    """What one bot says."""

    def __init__(self, database: Database, vault: Vault, bot_id: int) -> None:
        self._database = database
        self._vault = vault
        self._bot_id = bot_id

    async def put(self, db: Connection, answers: Sequence[Said], now: datetime) -> None:
        """Write them down, in the transaction of what caused them."""
        for answer in answers:
            about = new_id()
            box = self._vault.lock(answer.payload, f"answer:{about}")
            await db.execute(
                ADD, self._bot_id, answer.chat_id, answer.method, box, about, answer.challenge_id, now,
                answer.not_after,
            )  # fmt: skip

    async def erase(self, db: Connection, prints: Sequence[str]) -> None:
        """Forget what was said and asked in the chats of a phone."""
        for statement in ERASE:
            await db.execute(statement, list(prints))

    async def claim(self, now: datetime, lease: timedelta) -> Claimed | None:
        """The next call; nobody else gets it, or a later one of its chat, for `lease`."""
        async with self._database.connection() as db:
            row = await db.fetchrow(CLAIM, self._bot_id, now, now + lease)
        return Claimed(row["id"], row["tries"], self._said(row)) if row else None

    def _said(self, row: Any) -> Said:
        payload = self._vault.unlock(row["payload"], f"answer:{row['locked_about']}")
        return Said(row["method"], payload, row["chat_id"], row["challenge_id"], row["not_after"])

    async def said(self, claimed: Claimed, message: tuple[int, int] | None, now: datetime) -> None:
        """It was said; `message` (chat id, message id) is what it became, remembered where it asks something."""
        async with self._database.transaction() as db:
            await db.execute(SAID, claimed.id, now)
            if message and claimed.said.challenge_id:
                await db.execute(ASKED, *message, claimed.said.challenge_id, now)

    async def later(self, claimed: Claimed, problem: str, not_before: datetime, *, counts: bool) -> None:
        """Not now; a refusal that says "wait" does not count as a try."""
        tries = claimed.tries if counts else claimed.tries - 1
        async with self._database.connection() as db:
            await db.execute(LATER, claimed.id, not_before, problem, tries)

    async def dead(self, claimed: Claimed, problem: str, now: datetime) -> None:
        """It will not be said."""
        async with self._database.connection() as db:
            await db.execute(DEAD, claimed.id, problem, now)

    async def silence(self, claimed: Claimed, problem: str, now: datetime) -> None:
        """Nothing gets to this chat: neither this nor what waits behind it will be said, and the account counts as
        out of reach until the person comes back."""
        async with self._database.transaction() as db:
            await db.execute(DEAD, claimed.id, problem, now)
            if claimed.said.chat_id is not None:
                await db.execute(SILENCE, self._bot_id, claimed.said.chat_id, problem, now)
                await unreachable(db, claimed.said.chat_id, now)

    async def forget(self, before: datetime) -> None:
        """Drop what was said or given up before that moment."""
        async with self._database.connection() as db:
            await db.execute(FORGET, before)
            await db.execute(FORGET_REPLIES, before)


async def unreachable(db: Connection, chat_id: int, now: datetime) -> None:
    """Telegram refused to deliver to this chat: the sender takes SMS until the person comes back."""
    await db.execute(
        "UPDATE telegram_account SET reachable = false, changed_at = $2 WHERE chat_id = $1 AND reachable", chat_id, now
    )
