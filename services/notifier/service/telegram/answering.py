"""Taps and typed codes become replies: evidence that only otp opens, and only otp judges."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifier.domain.saying import AnswerTap, Kind, Say, Saying, Toast
from services.notifier.domain.telegram import Account, Act, Dialog, Invited, read_button, read_code
from services.notifier.service.telegram.memory import Turn
from shared import ids
from shared.events import CodeEvidence, Evidence, Language, ReplyReceived, TapEvidence, Via
from shared.seal import Sealer

PENDING = timedelta(seconds=30)
"""A second tap while the first is being judged is not asked again; after that it may be: the first may be lost."""

CONTEST_LIFE = timedelta(days=1)
"""How long a contact that another account holds waits for its code."""

_NUMBER = re.compile(r"[+\d][\d\s()-]{7,}")
_ACTS = {Act.CONFIRM: "confirm", Act.CONFIRM_NAMED: "confirm", Act.REFUSE: "refuse", Act.RESEND: "resend"}


@dataclass(frozen=True, slots=True)
class Tap:
    """A pressed button. `data` is what a client claims; `message_id` is the message under which it was pressed."""

    query_id: str
    data: str | None
    message_id: int | None


class Answering:
    """Whoever tapped or typed is checked here; whether it counts is decided by otp."""

    def __init__(self, sealer: Sealer, bot_id: int, notice_version: str) -> None:
        """`notice_version`: of the privacy notice that /privacy shows."""
        self._sealer = sealer
        self._bot_id = bot_id
        self._notice = notice_version

    async def tap(self, turn: Turn, tap: Tap) -> Sequence[Saying]:
        """A pressed button: the challenge is looked up, and the presser must be the account that is linked with its
        phone. Every tap is answered."""
        dialog, account = await turn.known()
        button = read_button(tap.data)
        invited = await turn.memory.invitation(button[1]) if button else None
        language = turn.sender.language(dialog, account, invited if account else None)
        refused = await self._refused(turn, invited, account)
        says: list[Saying] = [AnswerTap(tap.query_id, refused or Toast.RECEIVED, language)]
        if refused is Toast.SHARE_AGAIN and invited:
            await turn.remember(dialog, challenge=invited.challenge_id)
            says.append(Say(Kind.SHARE_AGAIN, turn.sender.chat_id, language))
        if refused is None and button and invited and account:
            evidence = self._evidence(button[0], invited, account, language)
            await self._reply(turn, invited, evidence, message_id=tap.message_id)
        return says

    async def _refused(self, turn: Turn, invited: Invited | None, account: Account | None) -> Toast | None:
        """Why a tap is not passed on, or None."""
        if invited is None:
            return Toast.OVER
        if account is None or not account.holds(invited.prints):
            return Toast.NOT_YOURS
        if not invited.open(turn.now):
            return Toast.OVER
        if not account.fresh(turn.now):
            return Toast.SHARE_AGAIN
        waiting = await turn.memory.pending(turn.sender.user_id, invited.challenge_id, turn.now - PENDING)
        return Toast.PENDING if waiting else None

    def _evidence(self, act: Act, invited: Invited, account: Account, language: Language) -> TapEvidence:
        return TapEvidence.model_validate(
            {
                "act": _ACTS[act],
                "challenge_id": invited.challenge_id,
                "fingerprints": dict(invited.fingerprints),
                "contact_shared_at": account.contact_shared_at,
                "name_consent": act is Act.CONFIRM_NAMED,
                "notice_version": self._notice,
                "language": language,
            }
        )

    async def write(self, turn: Turn, text: str) -> Sequence[Saying]:
        """A typed text: six digits are a code from the linked (or contested) phone, a number is no proof of
        anything, everything else gets help."""
        dialog, account = await turn.known()
        chat_id, language = turn.sender.chat_id, turn.sender.language(dialog, account)
        code = read_code(text)
        if code is None:
            kind = Kind.TYPED_NUMBER if _NUMBER.fullmatch(text.strip()) else Kind.HELP
            return [Say(kind, chat_id, language)]
        fingerprints = proven(dialog, account, turn.now)
        if fingerprints is None:
            stale = account is not None and bool(account.fingerprints)
            return [Say(Kind.SHARE_AGAIN if stale else Kind.SHARE_FIRST, chat_id, language)]
        invitations = await turn.memory.open_for(frozenset(fingerprints.values()), turn.now)
        if not invitations:
            return [Say(Kind.NOTHING_OPEN, chat_id, language)]
        evidence = CodeEvidence(
            fingerprints=dict(fingerprints), code=code, notice_version=self._notice, language=language
        )
        await self._reply(turn, invitations[0], evidence)
        return []

    async def _reply(self, turn: Turn, invited: Invited, evidence: Evidence, message_id: int | None = None) -> None:
        sender, memory = turn.sender, turn.memory
        reply = ids.reply_id(f"telegram:{self._bot_id}", str(turn.update_id))
        challenge = evidence.challenge_id if isinstance(evidence, TapEvidence) else None
        await memory.replied(
            reply, sender.chat_id, sender.user_id, turn.now, message_id=message_id, challenge_id=challenge
        )
        event = ReplyReceived(
            organisation_id=invited.organisation_id,
            subject=reply,
            version=1,
            at=turn.now,
            conversation_id=ids.conversation_id("telegram", str(sender.chat_id)),
            via=Via.TELEGRAM,
            evidence=self._sealer.seal("otp", str(reply), "evidence", evidence.model_dump(mode="json")),
        )
        await memory.state(event, turn.now)


def proven(dialog: Dialog, account: Account | None, now: datetime) -> Mapping[str, str] | None:
    """Fingerprints of the phone that a code typed in this chat speaks for, or None: share the contact first."""
    if dialog.contested and dialog.contested_at and now - dialog.contested_at <= CONTEST_LIFE:
        return dialog.contested
    if account and account.fingerprints and account.fresh(now):
        return account.fingerprints
    return None
