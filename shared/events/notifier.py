"""What the notifier is asked, and what it states: messages, deliveries, replies."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.envelope import (
    Channel,
    Event,
    Fingerprint,
    Fingerprints,
    Frozen,
    Label,
    Language,
    PostRef,
    UnitRef,
    Via,
)
from shared.seal import Sealed


class Lane(StrEnum):
    """Codes and answers, which somebody waits for, never wait behind what nobody waits for, announcements and the
    invitations of an import: each lane has its own topic and consumer group."""

    URGENT = "urgent"
    BULK = "bulk"


class Person(Frozen):
    """A person, by phone: Telegram where that phone is linked and reachable, else SMS."""

    kind: Literal["person"] = "person"
    fingerprints: Fingerprints
    phone_last3: str = Field(pattern=r"^\d{3}$")
    contact: Sealed
    """registry -> notifier, field `contact`, about `about`."""
    about: str
    """Subject of the sealed contact: `<appointment>:<cycle>` or the message id."""


class ChannelPost(Frozen):
    """A unit's Telegram channel: one post reaches all its members."""

    kind: Literal["channel"] = "channel"
    unit_id: UUID
    chat_id: int


class InvitationText(Frozen):
    """Template `invitation`: who asks whom for which post; with a code in mode live, with the link alone in invite."""

    name: Literal["invitation"] = "invitation"
    version: Literal[1] = 1
    organisation: Label
    unit: UnitRef
    post: PostRef
    has_code: bool
    code_not_after: AwareDatetime | None = None


class EndedText(Frozen):
    """Template `ended`: you confirmed, but the appointment had ended before."""

    name: Literal["ended"] = "ended"
    version: Literal[1] = 1
    organisation: Label
    unit: UnitRef
    post: PostRef


class AnnouncementText(Frozen):
    """Template `announcement`: a post is now held. The name travels sealed, and only after its own consent."""

    name: Literal["announcement"] = "announcement"
    version: Literal[1] = 1
    organisation: Label
    unit: UnitRef
    post: PostRef


Text = Annotated[InvitationText | EndedText | AnnouncementText, Field(discriminator="name")]


class MessageRequested(Event):
    """One message to one recipient; `subject` is its id. The notifier renders it at the moment of sending."""

    type: ClassVar[str] = "message.requested.v1"

    lane: Lane
    recipient: Annotated[Person | ChannelPost, Field(discriminator="kind")]
    language: Language
    text: Text
    secrets: Sealed | None = None
    """producer -> notifier, field `secrets`, about the message id. Invitation: {"handle", "link", "code" or null}.
    Announcement: {"name": {"hi","en"}}."""
    attempt: int = Field(default=1, ge=1)
    appointment_id: UUID | None = None
    cycle: int | None = None
    challenge_id: UUID | None = None

    @property
    def key(self) -> str:
        """The appointment where there is one, so that a close overtakes nothing; else the message."""
        return str(self.appointment_id or self.subject)


class Reason(StrEnum):
    """Why a message failed, in words that pages translate."""

    BLOCKED = "blocked"  # the person blocked the bot, or the carrier blocks the number
    UNREACHABLE = "unreachable"  # phone off or out of reach
    UNKNOWN_NUMBER = "unknown_number"  # no such subscriber
    NOT_MOBILE = "not_mobile"
    OPTED_OUT = "opted_out"
    EXPIRED = "expired"  # its time passed before it could be sent
    DROPPED = "dropped"  # its challenge was closed before it was sent
    REJECTED = "rejected"  # content, template or sender refused
    PROVIDER_DOWN = "provider_down"
    CONFIGURATION = "configuration"
    CHANNEL_LOST = "channel_lost"  # the bot may no longer post there
    NO_CHANNEL = "no_channel"  # nothing is left to try


class DeliveryEvent(Event):
    """State of a message; `subject` is the message. Belongs to the message, not to the appointment."""

    lane: Lane
    template: str
    channel: Channel
    provider: str
    attempt: int = 1
    """The attempt that the requester numbered."""
    appointment_id: UUID | None = None
    cycle: int | None = None
    challenge_id: UUID | None = None
    unit_id: UUID | None = None
    parts: int | None = None

    @property
    def key(self) -> str:
        """As the request's, so that a message's states stay in order."""
        return str(self.appointment_id or self.subject)


class DeliveryAccepted(DeliveryEvent):
    """The provider took the message. Final where the channel has no receipts (Telegram)."""

    type: ClassVar[str] = "delivery.accepted.v1"


class DeliveryDelivered(DeliveryEvent):
    """A receipt says that the phone has it."""

    type: ClassVar[str] = "delivery.delivered.v1"


class DeliveryFailed(DeliveryEvent):
    """It did not arrive and will not. With `falls_back`, the notifier goes on with the next channel at once."""

    type: ClassVar[str] = "delivery.failed.v1"

    reason: Reason
    falls_back: bool = False


class DeliveryUnknown(DeliveryEvent):
    """Nobody can say whether it went out: the call broke after the request was written."""

    type: ClassVar[str] = "delivery.unknown.v1"


class ReplyReceived(Event):
    """A person answered; `subject` is the reply, the key its conversation."""

    type: ClassVar[str] = "reply.received.v1"

    conversation_id: UUID
    via: Via
    evidence: Sealed
    """notifier -> otp, field `evidence`, about the reply id: one of the Evidence models as JSON."""

    @property
    def key(self) -> str:
        """The conversation: its replies are judged in order."""
        return str(self.conversation_id)


class CodeEvidence(Frozen):
    """A code arrived from this phone. Checked against all open challenges of the phone, or the named one."""

    kind: Literal["code"] = "code"
    fingerprints: Fingerprints
    code: str = Field(max_length=16)
    challenge_id: UUID | None = None
    name_consent: bool = False
    notice_version: str
    language: Language


class RefusalEvidence(Frozen):
    """`NO <code>` by SMS: senders can be forged, so a refusal needs the code."""

    kind: Literal["refusal"] = "refusal"
    fingerprints: Fingerprints
    code: str = Field(max_length=16)


class TapEvidence(Frozen):
    """A tap of the Telegram account that shared its own contact with this phone's number (at `contact_shared_at`)."""

    kind: Literal["tap"] = "tap"
    act: Literal["confirm", "refuse", "resend"]
    challenge_id: UUID
    fingerprints: Fingerprints
    contact_shared_at: AwareDatetime
    name_consent: bool = False
    notice_version: str
    language: Language


Evidence = Annotated[CodeEvidence | RefusalEvidence | TapEvidence, Field(discriminator="kind")]

__all__ = [
    "AnnouncementText", "ChannelPost", "CodeEvidence", "DeliveryAccepted", "DeliveryDelivered", "DeliveryEvent",
    "DeliveryFailed", "DeliveryUnknown", "EndedText", "Evidence", "Fingerprint", "InvitationText", "Lane",
    "MessageRequested", "Person", "Reason", "RefusalEvidence", "ReplyReceived", "TapEvidence", "Text",
]  # fmt: skip
