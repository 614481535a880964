"""THE contract: every event, its topic, key, version, producer and consumers."""

from shared.events.catalogue import (
    APPOINTMENTS,
    BULK,
    CHALLENGES,
    CONTRACT,
    DELIVERIES,
    EVENTS,
    PEOPLE,
    REPLIES,
    TOPICS,
    URGENT,
    Topic,
    topic_of,
    topics_of,
)
from shared.events.codec import Record, Undecodable, UnknownType, UnknownVersion, decode, encode
from shared.events.envelope import Channel, Event, Fingerprints, Label, Language, Notice, PostRef, UnitRef, Via
from shared.events.notifier import (
    AnnouncementText,
    ChannelPost,
    CodeEvidence,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryUnknown,
    EndedText,
    Evidence,
    InvitationText,
    Lane,
    MessageRequested,
    Person,
    Reason,
    RefusalEvidence,
    ReplyReceived,
    TapEvidence,
)
from shared.events.otp import (
    ChallengeClosed,
    ChallengeEvent,
    ChallengeExpired,
    ChallengeLocked,
    ChallengeOpened,
    ChallengeRefused,
    ChallengeVerified,
    Outcome,
    ReplyJudged,
    Result,
)
from shared.events.registry import (
    AppointmentEnded,
    AppointmentEvent,
    AppointmentInvited,
    AppointmentRecorded,
    AppointmentReissued,
    PersonErased,
)

__all__ = [
    "APPOINTMENTS", "BULK", "CHALLENGES", "CONTRACT", "DELIVERIES", "EVENTS", "PEOPLE", "REPLIES", "TOPICS", "URGENT",
    "AnnouncementText", "AppointmentEnded", "AppointmentEvent", "AppointmentInvited", "AppointmentRecorded",
    "AppointmentReissued", "ChallengeClosed", "ChallengeEvent", "ChallengeExpired", "ChallengeLocked",
    "ChallengeOpened", "ChallengeRefused", "ChallengeVerified", "Channel", "ChannelPost", "CodeEvidence",
    "DeliveryAccepted", "DeliveryDelivered", "DeliveryEvent", "DeliveryFailed", "DeliveryUnknown", "EndedText",
    "Event", "Evidence", "Fingerprints", "InvitationText", "Label", "Lane", "Language", "MessageRequested", "Notice",
    "Outcome", "Person", "PersonErased", "PostRef", "Reason", "Record", "RefusalEvidence", "ReplyJudged",
    "ReplyReceived", "Result", "TapEvidence", "Topic", "Undecodable", "UnitRef", "UnknownType", "UnknownVersion",
    "Via", "decode", "encode", "topic_of", "topics_of",
]  # fmt: skip
