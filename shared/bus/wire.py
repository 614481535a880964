"""The narrow port between our runner and whatever carries records: Kafka or memory."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from shared.errors import EX_CONFIG, EX_TEMPFAIL, Failure, Unavailable
from shared.events import Topic
from shared.events.codec import Headers


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Received:
    """A record as it lies in a topic: nothing decoded, since decoding may fail."""

    place: Place
    offset: int
    timestamp: datetime
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size(self) -> int:
        """Bytes that the record keeps in memory, roughly."""
        headers = sum([len(value or b"") for _, value in self.headers])
        return len(self.key or b"") + len(self.value or b"") + headers

    def parts(self) -> Iterator[bytes]:
        """Every byte string in it: key, value, names and values of headers. For searches."""
        yield self.key or b""
        yield self.value or b""
        for name, value in self.headers:
            yield name.encode()
            yield value or b""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is written to a topic. At least one of key and value is given."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size(self) -> int:
        """Bytes in the topic, at most: 10 for each header's lengths, 100 for the batch around a lone record."""
        headers = sum(len(name) + len(value or b"") + 10 for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers + 100


class BusUnavailable(Unavailable):
    """The broker does not answer; what was sent may have been written or not."""

    code = "bus_unavailable"
    alarm = True


class TopicForbidden(BusUnavailable):
    """Topic {topic} may not be written to, or does not exist: a principal without rights cannot tell."""

    # An operator puts that right; until then the event waits as for a broker that is away.
    code = "topic_forbidden"


class AccessRefused(BusUnavailable):
    """Kafka does not let this service do its work: {cause}."""

    # An operator puts that right (password, certificate, ACL); until then all waits as for a broker that is away.
    code = "bus_access_refused"
    exit_code = EX_CONFIG


class Stalled(Failure):
    """Group {group} has not polled for {seconds} seconds although everything it waits for has a time-out."""

    code = "bus_stalled"
    alarm = True
    exit_code = EX_TEMPFAIL


class Unpublishable(Failure):
    """A record cannot be published, now or later: {problem}."""

    code = "unpublishable"
    alarm = True


class MembershipLost(Failure):
    """The group gave this member's partitions to others; its offsets count no longer."""

    code = "membership_lost"


class TopicUnfit(Failure):
    """Topic {topic} does not fit the contract: {problem}."""

    code = "topic_unfit"
    alarm = True
    exit_code = EX_CONFIG

    @property
    def missing(self) -> bool:
        """It is not there; else it is of another shape."""
        return self.details["problem"] == "missing"


class Misconfigured(Failure):
    """The bus is misconfigured: {problem}."""

    code = "bus_misconfigured"
    alarm = True
    exit_code = EX_CONFIG


class Listener(Protocol):
    """Told by a member what it owns. The group waits while `revoked` runs."""

    async def revoked(self, *, lost: bool) -> None:
        """All partitions are about to be taken away: finish, commit, forget. Called before every `assigned` as well.
        `lost`: they are somebody else's already: end at once, commit nothing."""

    async def assigned(self, places: Collection[Place]) -> None:
        """These partitions are owned from now on, starting at their committed offsets."""


class Member(Protocol):
    """One member of a consumer group."""

    async def start(self, listener: Listener) -> None:
        """Join. Raises BusUnavailable, TopicUnfit."""

    async def poll(self, places: Collection[Place], limit: int, timeout: float) -> Sequence[Received]:
        """At most `limit` records of `places` (not empty), waiting `timeout` seconds for the first. Never cancelled.
        Raises BusUnavailable, also when no broker has answered anything for as long as a session lasts."""

    async def touch(self) -> None:
        """Show the group that this member is alive, without taking records."""

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """The next offset to handle for each place. Raises MembershipLost, BusUnavailable."""

    async def stop(self) -> None:
        """Leave the group. Never raises, always ends."""


class Publisher(Protocol):
    """Writes records."""

    broken: bool
    """Nothing can be sent any more: make a new one."""

    async def start(self) -> None:
        """Connect. Raises BusUnavailable."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Returns when all are acknowledged by all in-sync replicas. Raises BusUnavailable, Unpublishable."""

    async def stop(self) -> None:
        """Flush if possible. Never raises, always ends."""


class Broker(Protocol):
    """Where members and publishers come from: `Connection` (Kafka) or `MemoryBroker`."""

    def member(self, group: str, topics: Sequence[Topic]) -> Member:
        """A member that is not started."""

    def publisher(self) -> Publisher:
        """A publisher that is not started."""
