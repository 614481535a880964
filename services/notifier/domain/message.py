"""A message as the ledger keeps it, as a channel gets it, and its states."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from shared.events import AnnouncementText, Channel, EndedText, InvitationText, Label, Lane, Language
from shared.events.envelope import Frozen

SECRETS_FROM: Mapping[str, str] = {"invitation": "otp", "announcement": "registry", "ended": "registry"}
"""Which service seals the secrets of a template: a field sealed by another one does not open."""

ANSWER = "answer"
"""Our own template: what an SMS reply is answered."""


class State(StrEnum):
    """Where a message stands. `unknown` is an outcome: nobody can say whether it went out."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"


class AnswerText(Frozen):
    """Template `answer`: what became of a reply by SMS. Public parameters only."""

    name: Literal["answer"] = "answer"
    version: Literal[1] = 1
    kind: str
    unit: Label | None = None
    post: Label | None = None
    guesses_left: int | None = None
    retry_minutes: int | None = None


Text = InvitationText | EndedText | AnnouncementText | AnswerText


@dataclass(frozen=True, slots=True)
class Contact:
    """The opened contact of a person; lives in memory for the time of one send."""

    phone: str = field(repr=False)
    """E.164."""
    appointee: Label | None = field(default=None, repr=False)
    recorder: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The opened secrets of a message; live in memory for the time of one send."""

    code: str | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)
    handle: str | None = field(default=None, repr=False)
    name: Label | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the ledger: one message to one recipient, nothing personal readable in it."""

    id: UUID
    organisation_id: UUID
    lane: Lane
    template: str
    text: Text
    language: Language
    attempt: int
    """The attempt that the requester numbered; `tries` are ours."""
    created_at: datetime
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    contact: str | None = None
    about: str | None = None
    phone: str | None = None
    """Instead of `contact`: the phone under our own storage key (answers to an SMS)."""
    chat_id: int | None = None
    """A channel post or a message bound to one chat; persons are looked up by fingerprint."""
    secrets: str | None = None
    not_after: datetime | None = None
    appointment_id: UUID | None = None
    cycle: int | None = None
    challenge_id: UUID | None = None
    unit_id: UUID | None = None
    causation_id: UUID | None = None
    state: State = State.QUEUED
    channel: Channel | None = None
    tried: tuple[Channel, ...] = ()
    provider: str | None = None
    tries: int = 0
    transient: int = 0
    """Failures in a row that left nothing with the provider."""
    version: int = 0
    """Version of the last DeliveryX stated about it."""
    traceparent: str | None = None

    @property
    def prints(self) -> tuple[str, ...]:
        """The recipient's fingerprints under all keys."""
        return tuple(self.fingerprints.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands, with what a delivery states of it: all that receipts need."""

    id: UUID
    organisation_id: UUID
    lane: Lane
    template: str
    attempt: int
    state: State
    tries: int
    version: int
    appointment_id: UUID | None = None
    cycle: int | None = None
    challenge_id: UUID | None = None
    unit_id: UUID | None = None
    causation_id: UUID | None = None
    channel: Channel | None = None
    provider: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with everything opened, ready for a channel to render. Never logged, never stored."""

    message: Message
    address: str = field(repr=False)
    """E.164 for SMS, the chat id for Telegram."""
    contact: Contact | None = field(default=None, repr=False)
    secrets: Secrets = field(default_factory=Secrets, repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a channel sends: one rendered message to one address."""

    message_id: UUID
    lane: Lane
    tries: int
    """Our try, from 1: it stands in the callback URL, so that a receipt names the try it belongs to."""
    address: str = field(repr=False)
    body: str = field(repr=False)
    parts: int = 1
    """SMS parts: charged against the rate and stated in the delivery."""
    not_after: datetime | None = None
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What only this channel understands (Telegram: reply markup)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it."""

    reference: str
    """The provider's own id of the message."""
    parts: int | None = None
    """The provider's count of parts, where it says one."""


@dataclass(frozen=True, slots=True)
class Link:
    """A Telegram account that is linked with a phone."""

    user_id: int
    chat_id: int
    language: Language
    prints: tuple[str, ...]
    contact_shared_at: datetime
    reachable: bool
    announcements: bool = True
    """False after /stop: no announcements, on no channel."""
