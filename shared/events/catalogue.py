"""The contract as data: every topic with its settings, every event with its topic, producer and consumers."""

from dataclasses import dataclass
from typing import Literal

from shared.events import notifier, otp, registry
from shared.events.envelope import Event

Service = Literal["registry", "otp", "notifier", "console"]

DAY_MS = 24 * 60 * 60 * 1000
MAX_RECORD_BYTES = 1_048_588
"""Kafka's default for max.message.bytes."""
DEAD_HEADROOM_BYTES = 65_536
"""A dead letter is its record plus our headers: dead letter topics accept that much more."""
REPLICAS = 3
"""Copies of every record in production, where a process kill loses nothing but a machine's end loses its copy."""


def in_sync_replicas(replicas: int) -> int:
    """Copies that must be written before a producer is told so: all but one, so that one broker may be away."""
    return max(1, replicas - 1)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and its settings. 12 partitions divide evenly among 1, 2, 3, 4, 6 and 12 consumers; adding partitions
    later would break key order. Topics are not compacted: PostgreSQL is the truth (decision: shape)."""

    name: str
    owner: Service
    retention_days: int = 7
    partitions: int = 12
    urgent: bool = False
    """Producers do not linger: a person waits."""
    cleanup: Literal["delete", "compact"] = "delete"
    max_bytes: int = MAX_RECORD_BYTES
    """Of one record."""

    @property
    def dead(self) -> "Topic":
        """Where records go that cannot be handled."""
        limit = self.max_bytes + DEAD_HEADROOM_BYTES
        return Topic(f"{self.name}.dead", self.owner, retention_days=30, partitions=1, max_bytes=limit)

    @property
    def configs(self) -> dict[str, str]:
        """Its settings by Kafka's names, but for the copies."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_days * DAY_MS),
            "max.message.bytes": str(self.max_bytes),
        }


APPOINTMENTS = Topic("registry.appointments", "registry", urgent=True)
PEOPLE = Topic("registry.people", "registry")
CHALLENGES = Topic("otp.challenges", "otp", urgent=True)
URGENT = Topic("notifier.urgent", "notifier", urgent=True)
BULK = Topic("notifier.bulk", "notifier")
DELIVERIES = Topic("notifier.deliveries", "notifier", retention_days=30)
REPLIES = Topic("notifier.replies", "notifier", urgent=True)

TOPICS = (APPOINTMENTS, PEOPLE, CHALLENGES, URGENT, BULK, DELIVERIES, REPLIES)


GROUPS: dict[str, tuple[Topic, ...]] = {
    "registry": (CHALLENGES,),
    "registry-deliveries": (DELIVERIES,),
    "otp": (APPOINTMENTS, PEOPLE, DELIVERIES),
    "otp-replies": (REPLIES,),
    "notifier": (CHALLENGES, PEOPLE),
    "notifier-urgent": (URGENT,),
    "notifier-bulk": (BULK,),
}
"""Consumer group -> its topics. Each lane has a group of its own, so that codes never wait behind announcements or an
import's invitations; replies have one, so that whoever answers never waits behind those who are being asked; and the
registry hears states of messages apart from those of people, so that who confirmed is shown at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the contract."""

    event: type[Event]
    topics: tuple[Topic, ...]
    producers: tuple[Service, ...]
    consumers: tuple[Service, ...]


def _entry(event: type[Event], topic: Topic, producer: Service, *consumers: Service) -> Entry:
    return Entry(event, (topic,), (producer,), consumers)


CONTRACT = (
    _entry(registry.AppointmentRecorded, APPOINTMENTS, "registry", "otp"),
    _entry(registry.AppointmentReissued, APPOINTMENTS, "registry", "otp"),
    _entry(registry.AppointmentEnded, APPOINTMENTS, "registry", "otp"),
    _entry(registry.PersonErased, PEOPLE, "registry", "otp", "notifier"),
    _entry(otp.ChallengeOpened, CHALLENGES, "otp", "registry"),
    _entry(otp.ChallengeVerified, CHALLENGES, "otp", "registry", "notifier"),
    _entry(otp.ChallengeRefused, CHALLENGES, "otp", "registry", "notifier"),
    _entry(otp.ChallengeLocked, CHALLENGES, "otp", "registry", "notifier"),
    _entry(otp.ChallengeExpired, CHALLENGES, "otp", "registry", "notifier"),
    _entry(otp.ChallengeClosed, CHALLENGES, "otp", "registry", "notifier"),
    _entry(otp.ReplyJudged, CHALLENGES, "otp", "notifier"),
    Entry(notifier.MessageRequested, (URGENT, BULK), ("otp", "registry"), ("notifier",)),
    _entry(notifier.DeliveryAccepted, DELIVERIES, "notifier", "registry", "otp"),
    _entry(notifier.DeliveryDelivered, DELIVERIES, "notifier", "registry", "otp"),
    _entry(notifier.DeliveryFailed, DELIVERIES, "notifier", "registry", "otp"),
    _entry(notifier.DeliveryUnknown, DELIVERIES, "notifier", "registry", "otp"),
    _entry(notifier.ReplyReceived, REPLIES, "notifier", "otp"),
)

EVENTS: dict[str, type[Event]] = {entry.event.type: entry.event for entry in CONTRACT}
_BY_EVENT = {entry.event: entry for entry in CONTRACT}


def topics_of(event: type[Event]) -> tuple[Topic, ...]:
    """The topics that carry this event type."""
    return _BY_EVENT[event].topics


def topic_of(event: Event) -> Topic:
    """The topic that this very event goes to: a message request goes to its lane's."""
    if isinstance(event, notifier.MessageRequested):
        return URGENT if event.lane is notifier.Lane.URGENT else BULK
    return _BY_EVENT[type(event)].topics[0]
