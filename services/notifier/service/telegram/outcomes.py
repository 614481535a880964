"""What otp decided, told where it was asked: the message whose button was pressed, and every other question."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.notifier.domain.message import Contact
from services.notifier.domain.saying import Kind, Say, Saying
from services.notifier.domain.telegram import Dialog, Invited, Sender
from services.notifier.service.telegram.linking import Linking
from services.notifier.service.telegram.memory import Memory, Turn
from shared.events import Outcome, ReplyJudged, Result

_FINAL = {
    "verified": (Kind.RESULT, Result.VERIFIED),
    "refused": (Kind.RESULT, Result.REFUSED),
    "locked": (Kind.RESULT, Result.LOCKED),
    "expired": (Kind.EXPIRED, None),
    "closed": (Kind.CLOSED, None),
}
"""Which words a decided state has."""

_KEEPS_BUTTONS = {Result.CODE_SENT, Result.WAIT, Result.LIMIT, Result.WRONG, Result.CODE_EXPIRED}
"""The question stays as it is; this is said in a new message."""


class Outcomes:
    """Tells outcomes. Both ways to hear of one end in the same words, so that the second changes nothing."""

    def __init__(self, linking: Linking) -> None:
        self._linking = linking

    async def judged(self, memory: Memory, event: ReplyJudged, now: datetime) -> Sequence[Saying]:
        """The one outcome of a reply; nothing where the reply did not come by Telegram or was told before."""
        place = await memory.judged(event.subject, now)
        if place is None:
            return []
        sender = Sender(place.user_id, place.chat_id, private=True)
        turn = Turn(memory, sender, 0, now)
        dialog, account = await turn.known()
        if not event.outcomes:
            return [Say(Kind.NOTHING_OPEN, place.chat_id, sender.language(dialog, account))]
        touched = [(outcome, await memory.invitation(outcome.challenge_id)) for outcome in event.outcomes]
        says: list[Saying] = []
        if any(_proves(outcome, invited, dialog) for outcome, invited in touched):
            says += await self._linking.move(turn, dialog)
        for outcome, invited in touched:
            language = sender.language(dialog, account, invited)
            says.append(
                Say(
                    Kind.RESULT,
                    place.chat_id,
                    language,
                    invited,
                    self._contact(outcome, invited),
                    message_id=None if outcome.result in _KEEPS_BUTTONS else place.message_id,
                    result=_settled(outcome, invited),
                    guesses_left=outcome.guesses_left,
                    retry_at=outcome.retry_at,
                )
            )
        return says

    def _contact(self, outcome: Outcome, invited: Invited | None) -> Contact | None:
        """Who recorded it, where the person has to turn to them."""
        return self._linking.contact(invited) if invited and outcome.result is Result.LOCKED else None

    async def over(self, memory: Memory, challenge_id: UUID) -> Sequence[Saying]:
        """A challenge was decided, in whatever way: every question about it in Telegram says so and loses its code
        and buttons."""
        invited = await memory.invitation(challenge_id)
        kind, result = _FINAL[invited.state if invited else "closed"]
        says: list[Saying] = []
        for chat_id, message_id in await memory.questions(challenge_id):
            sender = Sender(chat_id, chat_id, private=True)  # a private chat has its person's id
            dialog, account = await memory.dialog(chat_id), await memory.account(chat_id)
            language = sender.language(dialog, account, invited)
            contact = self._linking.contact(invited) if invited and result is Result.LOCKED else None
            says.append(Say(kind, chat_id, language, invited, contact, message_id=message_id, result=result))
        return says

    async def late(self, memory: Memory) -> Sequence[Saying]:
        """The same for messages that were on their way when their challenge was decided."""
        return [say for challenge_id in await memory.late() for say in await self.over(memory, challenge_id)]


def _proves(outcome: Outcome, invited: Invited | None, dialog: Dialog) -> bool:
    """Whether it proves the contested phone: what else this account confirms says nothing about it."""
    contested = frozenset(dialog.contested.values())
    return outcome.result is Result.VERIFIED and invited is not None and not contested.isdisjoint(invited.prints)


def _settled(outcome: Outcome, invited: Invited | None) -> Result:
    """`already` in the words of what it was: a second tap must not turn "done" into something else."""
    if outcome.result is Result.ALREADY and invited is not None and invited.state in {"verified", "refused"}:
        return Result(invited.state)
    return outcome.result
