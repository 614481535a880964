"""What is kept about chats beside the dialog: ids that changed, people who are out of reach."""

from uuid import UUID

import structlog

from services.notifier.store.database import Database
from services.notifier.store.telegram.answers import ASKED, unreachable
from shared.clock import Clock
from shared.errors import Failure

log = structlog.get_logger(__name__)

CURRENT = "SELECT moved_to FROM telegram_alias WHERE chat_id = $1"
MOVED = """
INSERT INTO telegram_alias (chat_id, moved_to, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (chat_id) DO UPDATE SET moved_to = $2, changed_at = $3
"""


class Chats:
    """Asked and told by the channel beside a send. None of it decides about the message in hand, so that a database
    that is away is logged and passed over: the next send finds out again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def current(self, chat_id: int) -> int:
        """The id that a group or channel has now."""
        try:
            async with self._database.connection() as db:
                moved: int | None = await db.fetchval(CURRENT, chat_id)
        except Failure as failure:
            log.warning("chat ids cannot be read", error_code=failure.code)
            return chat_id
        return moved if moved is not None else chat_id

    async def moved(self, chat_id: int, to: int) -> None:
        """It got another id."""
        try:
            async with self._database.connection() as db:
                await db.execute(MOVED, chat_id, to, self._clock())
        except Failure as failure:
            log.warning("chat id not kept", error_code=failure.code)

    async def asked(self, chat_id: int, message_id: int, challenge_id: UUID) -> None:
        """This message asks about that challenge: it is changed when the challenge is over."""
        try:
            async with self._database.connection() as db:
                await db.execute(ASKED, chat_id, message_id, challenge_id, self._clock())
        except Failure as failure:
            log.warning("question not kept", error_code=failure.code)

    async def lost(self, chat_id: int) -> None:
        """Nothing gets to this person any more, until they come back."""
        try:
            async with self._database.connection() as db:
                await unreachable(db, chat_id, self._clock())
        except Failure as failure:
            log.warning("reachability not kept", error_code=failure.code)
