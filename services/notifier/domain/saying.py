"""What the bot has to say, before it has words: the use cases decide it, the bot's edge words it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.notifier.domain.message import Contact
from services.notifier.domain.telegram import Invited
from shared.events import AnnouncementText, Language, Result


class Kind(StrEnum):
    """Every thing that the dialog says."""

    INTRODUCE = "introduce"  # who asks whom, and: share your number
    ASK = "ask"  # the question with its buttons
    PHONE_VERIFIED = "phone_verified"  # and the keyboard goes
    NEUTRAL = "neutral"  # one text for every link that opens nothing
    WELCOME = "welcome"
    HELP = "help"
    PRIVACY = "privacy"
    NOT_OWN = "not_own"
    OTHER_NUMBER = "other_number"
    TYPED_NUMBER = "typed_number"
    SHARE_FIRST = "share_first"
    SHARE_AGAIN = "share_again"
    CONTESTED = "contested"
    WARN_OLD = "warn_old"
    MOVED = "moved"
    NOTHING_OPEN = "nothing_open"
    PRIVATE_ONLY = "private_only"
    LANGUAGE = "language"
    LANGUAGE_SET = "language_set"
    STOPPED = "stopped"
    RESUMED = "resumed"
    RESULT = "result"  # what became of an answer
    EXPIRED = "expired"
    CLOSED = "closed"


class Toast(StrEnum):
    """What a tap is answered with at once."""

    RECEIVED = "received"
    PENDING = "pending"
    NOT_YOURS = "not_yours"
    OVER = "over"
    SHARE_AGAIN = "share_again"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Say:
    """A message to a chat; with `message_id`, that message is changed instead of a new one sent."""

    kind: Kind
    chat_id: int
    language: Language
    invited: Invited | None = None
    contact: Contact | None = field(default=None, repr=False)
    message_id: int | None = None
    result: Result | None = None
    guesses_left: int | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnswerTap:
    """The answer to a tap; every tap gets one, or the button keeps spinning."""

    query_id: str
    toast: Toast
    language: Language


@dataclass(frozen=True, slots=True)
class Unname:
    """A post in a unit's channel loses the name of a person who is erased; post and unit stay."""

    chat_id: int
    message_id: int
    language: Language
    text: AnnouncementText


Saying = Say | AnswerTap | Unname
