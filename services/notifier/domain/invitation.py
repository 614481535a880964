"""An invitation as the notifier knows it: learned from message requests and from what otp states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from services.notifier.domain.message import Message
from shared.events import (
    ChallengeClosed,
    ChallengeEvent,
    ChallengeExpired,
    ChallengeLocked,
    ChallengeRefused,
    ChallengeVerified,
    DeliveryEvent,
    Label,
    Language,
    PostRef,
    UnitRef,
)

KEPT = timedelta(days=8)
"""An invitation is valid for 7 days; otp says when it is over, this only bounds what the notifier trusts alone."""

DECIDED: Mapping[type[ChallengeEvent], str] = {
    ChallengeVerified: "verified",
    ChallengeRefused: "refused",
    ChallengeLocked: "locked",
    ChallengeExpired: "expired",
    ChallengeClosed: "closed",
}
"""Events after which nothing more is sent for a challenge, and the state each leads to."""


def handle_hash(handle: str) -> str:
    """How a handle is found: SHA-256, hex. 128 random bits need no key."""
    return sha256(handle.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Learned:
    """What a message request tells about an invitation."""

    challenge_id: UUID
    organisation_id: UUID
    appointment_id: UUID
    cycle: int
    handle_hash: str | None
    fingerprints: Mapping[str, str]
    organisation: Label
    unit: UnitRef
    post: PostRef
    language: Language
    contact: str = field(repr=False)
    about: str
    code_not_after: datetime | None
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that is asked for, and what the request tells of its invitation."""

    message: Message
    learned: Learned | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of messages that were asked for."""

    added: Sequence[bool]
    """For each in its order: whether it is new."""
    dropped: Sequence[DeliveryEvent]


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer by SMS needs of an invitation."""

    challenge_id: UUID
    organisation_id: UUID
    unit: Label | None
    post: Label | None
    language: Language
    contact: str | None = field(repr=False)
    about: str | None
