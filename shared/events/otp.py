"""What otp states: challenges, and what became of each reply."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.envelope import Event, Frozen, Notice, Via


class ChallengeEvent(Event):
    """State of a challenge; `subject` is its id, the record key the appointment, so that cycles stay in order."""

    appointment_id: UUID
    cycle: int = Field(ge=1)

    @property
    def key(self) -> str:
        """The appointment: everything about it is handled in order."""
        return str(self.appointment_id)


class ChallengeOpened(ChallengeEvent):
    """The person is being asked, until `not_after`."""

    type: ClassVar[str] = "challenge.opened.v1"


class ChallengeVerified(ChallengeEvent):
    """The appointee proved the phone and accepted."""

    type: ClassVar[str] = "challenge.verified.v1"

    via: Via
    verified_at: AwareDatetime
    notice: Notice
    """The notice shown at confirmation."""
    name_consent: Notice | None = None
    """Consent to the *name* in the announcement: version and language of the question, and when; None: not given."""


class ChallengeRefused(ChallengeEvent):
    """The phone's holder said: this is not me, or I do not accept."""

    type: ClassVar[str] = "challenge.refused.v1"

    via: Via


class ChallengeLocked(ChallengeEvent):
    """Five wrong codes: the recorder must issue it again."""

    type: ClassVar[str] = "challenge.locked.v1"

    via: Via


class ChallengeExpired(ChallengeEvent):
    """The invitation's time passed without an answer, or it reached otp too late."""

    type: ClassVar[str] = "challenge.expired.v1"


class ChallengeClosed(ChallengeEvent):
    """The challenge was overtaken by a newer cycle, or its appointment ended: unsent messages are dropped."""

    type: ClassVar[str] = "challenge.closed.v1"

    reason: Literal["superseded", "ended", "erased"]


class Result(StrEnum):
    """What a reply did to one challenge."""

    VERIFIED = "verified"
    REFUSED = "refused"
    WRONG = "wrong"
    LOCKED = "locked"  # now, or already before
    CODE_EXPIRED = "code_expired"  # right or wrong, the code ran out: a new one must be asked for
    CODE_SENT = "code_sent"
    WAIT = "wait"  # asked for a code before the cooldown was over; see `retry_at`
    LIMIT = "limit"  # the number's or the challenge's sends are used up; see `retry_at` where waiting helps
    ALREADY = "already"  # the challenge was verified or refused before
    OVER = "over"  # expired, closed or unknown


class Outcome(Frozen):
    """What a reply did to one challenge."""

    challenge_id: UUID
    appointment_id: UUID
    result: Result
    guesses_left: int | None = None
    retry_at: AwareDatetime | None = None


class ReplyJudged(Event):
    """The one outcome of a reply; `subject` is the reply, the key its conversation. Only this is answered."""

    type: ClassVar[str] = "reply.judged.v1"

    conversation_id: UUID
    outcomes: tuple[Outcome, ...]
    """The challenges touched; empty: nothing is open for this phone."""

    @property
    def key(self) -> str:
        """The conversation: its answers come in order."""
        return str(self.conversation_id)
