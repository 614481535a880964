"""What the bot knows of accounts, chats and invitations, inside the transaction of one update or event."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.notifier.domain.saying import Unname
from services.notifier.domain.telegram import Account, Dialog, Invited, Replied
from services.notifier.store import outbox
from services.notifier.store.database import Connection
from shared.events import AnnouncementText, Event, Label, Language, PostRef, UnitRef

ACCOUNT = """
SELECT user_id, chat_id, language, fingerprints, contact_shared_at, reachable, announcements FROM telegram_account
"""
ACCOUNT_OF = ACCOUNT + "WHERE user_id = $1"
HOLDERS = ACCOUNT + "WHERE prints && $1::text[] ORDER BY user_id"

BIND = """
INSERT INTO telegram_account (user_id, chat_id, language, phone, fingerprints, prints, contact_shared_at, created_at,
  changed_at, announcements)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
ON CONFLICT (user_id) DO UPDATE SET chat_id = $2, language = $3, phone = $4, fingerprints = $5, prints = $6,
  contact_shared_at = $7, reachable = true, changed_at = $8
"""
RELEASE = """
UPDATE telegram_account SET phone = NULL, fingerprints = '{}', prints = '{}', contact_shared_at = NULL,
  changed_at = $2
WHERE user_id = $1
"""
DOUBT = "UPDATE telegram_account SET contact_shared_at = NULL, changed_at = $2 WHERE user_id = $1"
LANGUAGE = "UPDATE telegram_account SET language = $2, changed_at = $3 WHERE user_id = $1"
REACHABLE = "UPDATE telegram_account SET reachable = $2, changed_at = $3 WHERE chat_id = $1"
ANNOUNCEMENTS = "UPDATE telegram_account SET announcements = $2, changed_at = $3 WHERE user_id = $1"

DIALOG = "SELECT state FROM dialog WHERE chat_id = $1 FOR UPDATE"
REMEMBER = """
INSERT INTO dialog (chat_id, state, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (chat_id) DO UPDATE SET state = $2, changed_at = $3
"""

INVITATION = """
SELECT challenge_id, appointment_id, cycle, organisation_id, organisation, unit, post, language, fingerprints, contact,
  about, state, not_after
FROM invitation WHERE unit IS NOT NULL AND
"""
BY_HANDLE = INVITATION + " handle_hash = $1"
BY_CHALLENGE = INVITATION + " challenge_id = $1"
OPEN = (
    INVITATION
    + """
 prints && $1::text[] AND state = 'open' AND (not_after IS NULL OR not_after > $2) ORDER BY created_at
LIMIT 20
"""
)

REPLIED = """
INSERT INTO telegram_reply (reply_id, chat_id, user_id, message_id, challenge_id, replied_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
PENDING = """
SELECT EXISTS (SELECT 1 FROM telegram_reply
  WHERE user_id = $1 AND challenge_id = $2 AND judged_at IS NULL AND replied_at > $3)
"""
JUDGED = """
UPDATE telegram_reply SET judged_at = $2 WHERE reply_id = $1 AND judged_at IS NULL
RETURNING chat_id, user_id, message_id
"""

QUESTIONS = "DELETE FROM telegram_question WHERE challenge_id = $1 RETURNING chat_id, message_id"
LATE = """
SELECT DISTINCT challenge_id FROM telegram_question JOIN invitation USING (challenge_id)
WHERE invitation.state <> 'open' LIMIT 100
"""

# A post in a unit's channel that names an erased person is changed, once: its reference goes with it. A post that was
# on its way while its person was erased is found by the sweep.
POSTS = """
UPDATE message SET provider_ref = NULL
WHERE appointment_id = ANY($1::uuid[]) AND template = 'announcement' AND chat_id IS NOT NULL AND channel = 'telegram'
  AND provider_ref IS NOT NULL
RETURNING old.provider_ref, language, text
"""
ERASED_LATELY = "SELECT appointment_id FROM erased WHERE erased_at > $1"


class Memory:
    """Reads and writes of one transaction."""

    def __init__(self, db: Connection) -> None:
        """`db` is inside the transaction that also marks the update or event as handled."""
        self._db = db

    async def dialog(self, chat_id: int) -> Dialog:
        """What is remembered about a chat; locked until the transaction ends."""
        row = await self._db.fetchrow(DIALOG, chat_id)
        return Dialog.model_validate_json(row["state"]) if row else Dialog()

    async def remember(self, chat_id: int, dialog: Dialog, now: datetime) -> None:
        """Replace what is remembered."""
        await self._db.execute(REMEMBER, chat_id, dialog.model_dump_json(exclude_defaults=True), now)

    async def account(self, user_id: int) -> Account | None:
        """The account with this Telegram id, if it ever shared its contact."""
        row = await self._db.fetchrow(ACCOUNT_OF, user_id)
        return _account(row) if row else None

    async def holders(self, prints: Collection[str]) -> Sequence[Account]:
        """Accounts that are linked with this phone."""
        return [_account(row) for row in await self._db.fetch(HOLDERS, list(prints))]

    async def bind(self, account: Account, phone: str, now: datetime) -> None:
        """Link an account with a phone (`phone`: under our storage key) as of `account.contact_shared_at`."""
        prints = orjson.dumps(dict(account.fingerprints)).decode()
        await self._db.execute(
            BIND, account.user_id, account.chat_id, account.language, phone, prints,
            list(account.fingerprints.values()), account.contact_shared_at, now, account.announcements,
        )  # fmt: skip

    async def release(self, user_id: int, now: datetime) -> None:
        """Take the phone from an account: it belongs to another one now."""
        await self._db.execute(RELEASE, user_id, now)

    async def doubt(self, user_id: int, now: datetime) -> None:
        """The account must share its contact again before anything is sent to it or believed from it."""
        await self._db.execute(DOUBT, user_id, now)

    async def speak(self, user_id: int, language: Language, now: datetime) -> None:
        """The language that the person chose."""
        await self._db.execute(LANGUAGE, user_id, language, now)

    async def reach(self, chat_id: int, reachable: bool, now: datetime) -> None:
        """Whether messages get there."""
        await self._db.execute(REACHABLE, chat_id, reachable, now)

    async def announce(self, user_id: int, wanted: bool, now: datetime) -> None:
        """Whether the person wants announcements."""
        await self._db.execute(ANNOUNCEMENTS, user_id, wanted, now)

    async def by_handle(self, handle_hash: str) -> Invited | None:
        """The invitation behind a link."""
        return _invited(await self._db.fetchrow(BY_HANDLE, handle_hash))

    async def invitation(self, challenge_id: UUID) -> Invited | None:
        """The invitation of a challenge."""
        return _invited(await self._db.fetchrow(BY_CHALLENGE, challenge_id))

    async def open_for(self, prints: Collection[str], now: datetime) -> Sequence[Invited]:
        """Invitations of a phone that may still be answered, oldest first."""
        rows = await self._db.fetch(OPEN, list(prints), now)
        return [found for row in rows if (found := _invited(row))]

    async def replied(
        self, reply_id: UUID, chat_id: int, user_id: int, now: datetime, *,
        message_id: int | None = None, challenge_id: UUID | None = None,
    ) -> None:  # fmt: skip
        """Where the outcome of a reply is to be told."""
        await self._db.execute(REPLIED, reply_id, chat_id, user_id, message_id, challenge_id, now)

    async def pending(self, user_id: int, challenge_id: UUID, since: datetime) -> bool:
        """Whether this person's answer about this challenge is still being judged."""
        return bool(await self._db.fetchval(PENDING, user_id, challenge_id, since))

    async def judged(self, reply_id: UUID, now: datetime) -> Replied | None:
        """Where the outcome of this reply is to be told; once: None when it was told or did not come by Telegram."""
        row = await self._db.fetchrow(JUDGED, reply_id, now)
        return Replied(row["chat_id"], row["user_id"], row["message_id"]) if row else None

    async def questions(self, challenge_id: UUID) -> Sequence[tuple[int, int]]:
        """Chat and message ids of what asked about this challenge; they are told once, then they are forgotten."""
        rows = await self._db.fetch(QUESTIONS, challenge_id)
        return [(row[0], row[1]) for row in rows]

    async def late(self) -> Sequence[UUID]:
        """Decided challenges that a message still asks about: it was on its way when they were decided."""
        return [row["challenge_id"] for row in await self._db.fetch(LATE)]

    async def posts(self, appointments: Collection[UUID]) -> Sequence[Unname]:
        """Posts in channels about these appointments, each once: they are to lose the name."""
        return [_unname(row) for row in await self._db.fetch(POSTS, list(appointments))]

    async def erased_since(self, moment: datetime) -> Sequence[UUID]:
        """Appointments whose person was erased after that moment."""
        return [row["appointment_id"] for row in await self._db.fetch(ERASED_LATELY, moment)]

    async def state(self, event: Event, now: datetime) -> None:
        """Put an event into the outbox."""
        await outbox.put(self._db, [event], now)


def _unname(row: Any) -> Unname:
    chat_id, _, message_id = row["provider_ref"].partition(":")
    return Unname(int(chat_id), int(message_id), row["language"], AnnouncementText.model_validate_json(row["text"]))


def _account(row: Any) -> Account:
    return Account(
        user_id=row["user_id"],
        chat_id=row["chat_id"],
        language=row["language"],
        fingerprints=orjson.loads(row["fingerprints"]),
        contact_shared_at=row["contact_shared_at"],
        reachable=row["reachable"],
        announcements=row["announcements"],
    )


def _invited(row: Any) -> Invited | None:
    if row is None:
        return None
    return Invited(
        challenge_id=row["challenge_id"],
        organisation_id=row["organisation_id"],
        appointment_id=row["appointment_id"],
        cycle=row["cycle"],
        organisation=Label.model_validate_json(row["organisation"]),
        unit=UnitRef.model_validate_json(row["unit"]),
        post=PostRef.model_validate_json(row["post"]),
        language=row["language"],
        fingerprints=orjson.loads(row["fingerprints"]),
        contact=row["contact"],
        about=row["about"],
        state=row["state"],
        not_after=row["not_after"],
    )
