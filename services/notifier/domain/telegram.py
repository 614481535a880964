"""Rules of the Telegram dialog: whose contact counts, what a button carries, what the bot remembers."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, Field

from services.notifier.domain.routing import CONTACT_FRESH
from shared.events import Fingerprints, Label, Language, PostRef, UnitRef
from shared.events.envelope import Frozen

ALLOWED_UPDATES = ("message", "callback_query", "my_chat_member", "chat_member", "chat_join_request")
"""Named always: omitted keeps what an earlier start said, and the default leaves chat_member out."""

HANDLE = re.compile(r"[A-Za-z0-9_-]{1,64}")
CODE = re.compile(r"\d{6}")
_DIGITS = str.maketrans("०१२३४५६७८९", "0123456789")


class Act(StrEnum):
    """What a button does; one letter, since a button carries at most 64 bytes."""

    CONFIRM = "c"
    CONFIRM_NAMED = "n"
    REFUSE = "r"
    RESEND = "s"


def button_data(act: Act, challenge: UUID) -> str:
    """What a button carries: the act and which challenge; everything else is looked up when it comes back."""
    return act + urlsafe_b64encode(challenge.bytes).decode().rstrip("=")


def read_button(data: str | None) -> tuple[Act, UUID] | None:
    """The act and challenge of a pressed button, or None: modified clients send what they like."""
    if data is None or not re.fullmatch(r"[cnrs][A-Za-z0-9_-]{22}", data):
        return None
    return Act(data[0]), UUID(bytes=urlsafe_b64decode(data[1:] + "=="))


def read_code(text: str) -> str | None:
    """The six digits in a typed `482107`, `482 107` or `४८२१०७`, else None."""
    digits = re.sub(r"[\s-]", "", text).translate(_DIGITS)
    return digits if CODE.fullmatch(digits) else None


@dataclass(frozen=True, slots=True)
class SharedContact:
    """A contact as it arrived, with what tells an own one from others."""

    sender: int
    owner: int | None
    """`contact.user_id`: Telegram itself fills it in, whatever the client says (tdlib/td#2575)."""
    private: bool
    forwarded: bool
    via_bot: bool
    phone: str = field(repr=False)

    @property
    def own(self) -> bool:
        """Whether Telegram vouches that the sender's account is registered on this number."""
        return self.private and self.owner == self.sender and not self.forwarded and not self.via_bot


class Dialog(Frozen):
    """What the bot remembers about a chat beside its link."""

    challenge: UUID | None = None
    """The invitation that the person came with and has not proved a phone for yet."""
    language: Language | None = None
    """The person's own choice; it wins over the invitation's and the phone's."""
    contested: Fingerprints = Field(default_factory=dict)
    """Fingerprints of the phone that this account shared and that another account holds: a code moves the link."""
    contested_phone: str | None = None
    """That phone under our own storage key."""
    contested_at: AwareDatetime | None = None
    announcements: bool = True
    """The person's wish; it holds for the account that this chat links later, too."""
    announcements_update: int = 0
    language_update: int = 0
    member_update: int = 0
    """The newest update that decided each setting: an older one that arrives later changes nothing."""


@dataclass(frozen=True, slots=True)
class Account:
    """A Telegram account that once proved a phone."""

    user_id: int
    chat_id: int
    language: Language
    fingerprints: Mapping[str, str]
    contact_shared_at: datetime | None
    reachable: bool
    announcements: bool

    def fresh(self, now: datetime) -> bool:
        """Whether it may confirm on the strength of the contact it shared: numbers are recycled."""
        return self.contact_shared_at is not None and now - self.contact_shared_at <= CONTACT_FRESH

    def holds(self, prints: frozenset[str]) -> bool:
        """Whether its phone is the one behind any of these fingerprints (two keys during a rotation)."""
        return not prints.isdisjoint(self.fingerprints.values())


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation as the bot knows it."""

    challenge_id: UUID
    organisation_id: UUID
    appointment_id: UUID
    cycle: int
    organisation: Label
    unit: UnitRef
    post: PostRef
    language: Language
    fingerprints: Mapping[str, str]
    contact: str | None
    about: str | None
    state: str
    not_after: datetime | None

    @property
    def prints(self) -> frozenset[str]:
        """Fingerprints of the invited phone under all keys."""
        return frozenset(self.fingerprints.values())

    def open(self, now: datetime) -> bool:
        """Whether an answer can still count. otp decides in the end; this keeps the bot from asking in vain."""
        return self.state == "open" and (self.not_after is None or now < self.not_after)


@dataclass(frozen=True, slots=True)
class Replied:
    """Where a reply came from, and the message whose button gave it."""

    chat_id: int
    user_id: int
    message_id: int | None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote or tapped, where."""

    user_id: int
    chat_id: int
    private: bool
    phone_language: str | None = None
    """The language of the person's Telegram (IETF tag)."""

    def language(self, dialog: Dialog, account: Account | None, invited: Invited | None = None) -> Language:
        """The person's own choice, else the invitation's, else the one of their Telegram, else Hindi."""
        if dialog.language:
            return dialog.language
        if invited:
            return invited.language
        if account:
            return account.language
        return "en" if (self.phone_language or "").startswith("en") else "hi"
