"""How a service reaches Kafka, and the settings that its clients get."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.access import OPEN, Access
from shared.bus.reader import Reader
from shared.bus.wire import Member, Misconfigured, Publisher
from shared.events import Topic, catalogue
from shared.settings import KafkaSettings

MAX_RECORD_BYTES = catalogue.MAX_RECORD_BYTES
DEAD_HEADROOM_BYTES = catalogue.DEAD_HEADROOM_BYTES


def record_limit(topic: str) -> int:
    """Bytes that a record of `topic` may have."""
    return MAX_RECORD_BYTES + (DEAD_HEADROOM_BYTES if topic.endswith(".dead") else 0)


MAX_POLL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Timing:
    """Time-outs of the clients, in seconds."""

    request: int
    session: int
    heartbeat: float
    rebalance: int
    fetch_wait: float
    """How long the broker holds a fetch that finds nothing."""
    revoke: float
    """How long the broker waits at least for a member that finishes its work before it gives the partitions away."""
    stuck: float
    """A rebalance that takes longer will not end: the membership is given up and a new one is begun."""


DURABLE = Timing(request=15, session=30, heartbeat=3, rebalance=60, fetch_wait=0.5, revoke=55.0, stuck=100.0)
"""Apache Kafka: a frozen broker costs as long as `request` says (measured: 45 s frozen, 4 s lost at 5-10 s)."""

EMBEDDED = Timing(request=75, session=6, heartbeat=0.5, rebalance=60, fetch_wait=0.05, revoke=2.0, stuck=15.0)
"""Tansu 0.6: holds JoinGroup for the rebalance time, so `request` must be longer; sends no LeaveGroup for the first
generation, which is 0, so a lone member says goodbye by our hand (restart 6 s instead of 14 s), and a short session
frees the partitions of a killed one; lets a new leader deal out the partitions 3 s after it joined, whether or not the
others have finished; sometimes keeps a leader that has left, and the others then wait for ever, so one of several falls
silent instead of leaving; looks for new records a few times within the fetch wait only (measured from publish to
hearing: 215 ms at 0.5 s, 15 ms at 0.1 s, 3-4 ms at 0.05 s); makes topics that do not exist on publish."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The brokers of one cluster, and who is asking. `ephemeral` means the embedded broker, which has no idempotent
    producer and needs other time-outs."""

    bootstrap: str
    client_id: str
    ephemeral: bool = False
    delivery_timeout: float = 15.0
    """Seconds after which a publish counts as unknown."""
    access: Access = OPEN

    @classmethod
    def of(cls, settings: KafkaSettings, service: str) -> "Connection":
        """From a service's settings."""
        return cls(settings.kafka, f"boothline-{service}", settings.kafka_ephemeral, access=Access.of(settings))

    @property
    def timing(self) -> Timing:
        """Time-outs that suit this kind of broker."""
        return EMBEDDED if self.ephemeral else DURABLE

    @property
    def idempotent(self) -> bool:
        """Whether the broker removes the duplicates of our retries (Tansu 0.6 refuses InitProducerId v0)."""
        return not self.ephemeral

    def member(self, group: str, topics: Sequence[Topic]) -> Member:
        """A member of `group`, not started. Raises Misconfigured."""
        from shared.bus.kafka.member import KafkaMember  # noqa: PLC0415 # aiokafka is loaded only where Kafka is spoken

        return KafkaMember(self, group, topics)

    def publisher(self) -> Publisher:
        """A publisher, not started."""
        from shared.bus.kafka.publisher import KafkaPublisher  # noqa: PLC0415

        return KafkaPublisher(self)

    def reader(self) -> Reader:
        """Looks into topics without taking part."""
        from shared.bus.kafka.reader import KafkaReader  # noqa: PLC0415

        return KafkaReader(self)


def check(timing: Timing, drain_timeout: float) -> None:
    """Raise Misconfigured where the time-outs contradict each other: a drain longer than the rebalance loses the
    partitions in the middle of it, and the broker refuses sessions outside 6 s to 30 min (its defaults)."""
    if drain_timeout + 5 > timing.rebalance:
        raise Misconfigured(problem="drain_timeout must be at least 5 s below the rebalance time-out")
    if not 6 <= timing.session <= 1800:
        raise Misconfigured(problem="session outside 6..1800 s")
    if timing.heartbeat > timing.session / 3:
        raise Misconfigured(problem="heartbeat above a third of the session")
