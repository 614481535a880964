"""A broker in memory: topics, groups that rebalance eagerly, faults on demand."""

import asyncio
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from shared.bus.memory.reader import MemoryReader
from shared.bus.reader import Reader
from shared.bus.wire import (
    BusUnavailable,
    Listener,
    MembershipLost,
    Outgoing,
    Place,
    Received,
    TopicUnfit,
)
from shared.clock import Clock, utc_now
from shared.events import TOPICS, Topic


class MemoryBroker:
    """A broker without a network. Knows all topics of the contract and their dead letter topics from the start."""

    def __init__(self, clock: Clock = utc_now, topics: Iterable[Topic] | None = None) -> None:
        """`clock` stamps the records."""
        self.logs: dict[Place, list[Received]] = {}
        self.refuses_records = False
        """While true, publishing raises BusUnavailable."""
        self.refuses_commits = False
        """While true, committing raises BusUnavailable."""
        self.commits: list[tuple[str, dict[Place, int]]] = []
        """Every commit that was taken, by group."""
        self._clock = clock
        self._partitions: dict[str, int] = {}
        for topic in topics if topics is not None else (*TOPICS, *(topic.dead for topic in TOPICS)):
            self.add(topic)
        self._groups: dict[str, _Group] = {}
        self._appended = asyncio.Event()
        self._turn = 0

    def member(self, group: str, topics: Sequence[Topic]) -> "MemoryMember":
        """A member that is not started."""
        return MemoryMember(self, self._group(group), topics)

    def publisher(self) -> "MemoryPublisher":
        """A publisher."""
        return MemoryPublisher(self)

    def reader(self) -> Reader:
        """Looks into the topics."""
        return MemoryReader(self)

    def records(self, topic: str) -> list[Received]:
        """Everything in `topic`, by time of writing within a partition."""
        return [record for place, log in self.logs.items() if place.topic == topic for record in log]

    def committed(self, group: str) -> dict[Place, int]:
        """What `group` has committed."""
        return dict(self._group(group).committed)

    def rewind(self, group: str) -> None:
        """Forget what `group`, which has no members now, has committed: its next member hears everything again."""
        self._group(group).committed.clear()

    def _group(self, name: str) -> "_Group":
        return self._groups.setdefault(name, _Group(name))

    def add(self, topic: Topic) -> None:
        """As when an operator makes a topic."""
        self._partitions[topic.name] = topic.partitions
        self.logs |= {Place(topic.name, number): [] for number in range(topic.partitions)}

    async def expel(self, group: str) -> None:
        """As when every session of the group expires: commits are refused until its members have joined again."""
        self._groups[group].generation += 1
        for member in self._groups[group].members:
            member.lost = True

    def append(self, record: Outgoing) -> None:
        """Write one record. Raises BusUnavailable for an unknown topic: it may come."""
        if record.topic not in self._partitions:
            raise BusUnavailable
        place = Place(record.topic, self._partition(record))
        log = self.logs[place]
        log.append(Received(place, len(log), self._clock(), record.key, record.value, record.headers))
        self._appended.set()

    def _partition(self, record: Outgoing) -> int:
        count = self._partitions[record.topic]
        if record.key is None:
            self._turn += 1
            return self._turn % count
        return zlib.crc32(record.key) % count

    def check(self, topics: Sequence[Topic]) -> None:
        """Raise TopicUnfit as Kafka's member does."""
        for topic in topics:
            partitions = self._partitions.get(topic.name)
            if partitions is None:
                raise TopicUnfit(topic=topic.name, problem="missing")
            if partitions < topic.partitions:
                raise TopicUnfit(topic=topic.name, problem=f"{partitions} partitions instead of {topic.partitions}")

    def places(self, topics: Sequence[Topic]) -> list[Place]:
        """All partitions of `topics`."""
        return [Place(topic.name, number) for topic in topics for number in range(self._partitions[topic.name])]

    async def more(self, seconds: float) -> None:
        """Wait for the next record, at most so long."""
        self._appended.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._appended.wait()
        except TimeoutError:
            return


class _Group:
    def __init__(self, name: str) -> None:
        self.name = name
        self.members: list[MemoryMember] = []
        self.committed: dict[Place, int] = {}
        self.generation = 0
        self.rebalancing = asyncio.Lock()

    async def rebalance(self) -> None:
        """Eager, as aiokafka does it: everything is revoked from everybody, then dealt out anew."""
        async with self.rebalancing:
            self.generation += 1
            await asyncio.gather(*(member.revoke() for member in self.members))
            shares: dict[MemoryMember, list[Place]] = {member: [] for member in self.members}
            wanted = dict.fromkeys(place for member in self.members for place in member.wanted)
            for turn, place in enumerate(wanted):
                able = [member for member in self.members if place in member.wanted]
                shares[able[turn % len(able)]].append(place)
            await asyncio.gather(*(member.assign(places) for member, places in shares.items()))


class MemoryMember:
    """One member of a group in memory."""

    def __init__(self, broker: MemoryBroker, group: _Group, topics: Sequence[Topic]) -> None:
        """Not started."""
        self._broker = broker
        self._group = group
        self._topics = topics
        self._listener: Listener | None = None
        self._positions: dict[Place, int] = {}
        self.wanted: list[Place] = []
        self.lost = False

    async def start(self, listener: Listener) -> None:
        """Join at once."""
        self._broker.check(self._topics)
        self._listener = listener
        self.wanted = self._broker.places(self._topics)
        self._group.members.append(self)
        await self._group.rebalance()

    async def revoke(self) -> None:
        """The group takes everything back."""
        if self._listener is not None:
            await self._listener.revoked(lost=self.lost)
        self._positions = {}

    async def assign(self, places: Collection[Place]) -> None:
        """The group gives `places`, at their committed offsets."""
        self.lost = False
        self._positions = {place: self._group.committed.get(place, 0) for place in places}
        if self._listener is not None:
            await self._listener.assigned(places)

    async def poll(self, places: Collection[Place], limit: int, timeout: float) -> Sequence[Received]:
        """Records of `places`."""
        await self.touch()
        found = self._take(places, limit)
        if not found:
            await self._broker.more(timeout)
            found = [] if self._group.rebalancing.locked() else self._take(places, limit)
        return found

    def _take(self, places: Collection[Place], limit: int) -> list[Received]:
        found: list[Received] = []
        for place in places:
            position = self._positions.get(place)
            if position is not None:
                taken = self._broker.logs[place][position : position + limit - len(found)]
                self._positions[place] = position + len(taken)
                found += taken
        return found

    async def touch(self) -> None:
        """Waits while the group rebalances, and joins again after an expulsion."""
        if self.lost:
            await self._group.rebalance()
        async with self._group.rebalancing:
            await asyncio.sleep(0)

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Remember the offsets."""
        if self._broker.refuses_commits:
            raise BusUnavailable
        if self.lost or any(place not in self._positions for place in offsets):
            raise MembershipLost
        self._group.committed.update(offsets)
        self._broker.commits.append((self._group.name, dict(offsets)))

    async def stop(self) -> None:
        """Leave; the others get the partitions."""
        if self in self._group.members:
            self._group.members.remove(self)
            self._listener = None
            await self._group.rebalance()


class MemoryPublisher:
    """Writes to memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        """Always connected."""
        self._broker = broker
        self.broken = False

    async def start(self) -> None:
        """Nothing to do."""
        if self._broker.refuses_records:
            raise BusUnavailable

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Write all."""
        if self._broker.refuses_records:
            self.broken = True
            raise BusUnavailable
        for record in records:
            self._broker.append(record)

    async def stop(self) -> None:
        """Nothing to do."""
