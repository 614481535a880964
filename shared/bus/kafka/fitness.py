"""How a cluster's topics differ from the contract: pure, over what was found there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.events import Topic
from shared.events.catalogue import in_sync_replicas

IN_SYNC = "min.insync.replicas"
_MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Found:
    """One topic of a cluster; `configs` is empty where they were not asked for."""

    partitions: int
    replicas: int
    configs: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the contract says."""

    topic: str
    problem: str
    harmless: bool = False
    """Accepted and only said."""
    change: tuple[str, str] | None = None
    """The setting that removes it; None where nobody but a person may: a missing topic is made, but more partitions
    would break the order of keys, and more copies move data between machines."""

    @property
    def missing(self) -> bool:
        """There is no such topic."""
        return self.problem == _MISSING


def configs_of(topic: Topic, replicas: int) -> dict[str, str]:
    """Settings of a topic of so many copies, by Kafka's names."""
    return topic.configs | {IN_SYNC: str(in_sync_replicas(replicas))}


def differences(
    topics: Sequence[Topic], replicas: int, found: Mapping[str, Found], *, configs: bool
) -> Iterator[Difference]:
    """All of them, in the order of `topics`; `configs`: compare settings and copies too. More copies than `replicas`
    are well."""
    for topic in topics:
        if (there := found.get(topic.name)) is None:
            yield Difference(topic.name, _MISSING)
            continue
        yield from _partitions(topic, there)
        if configs:
            if there.replicas < replicas:
                yield Difference(topic.name, f"{there.replicas} copies instead of {replicas}")
            yield from _configs(topic, there)


def _partitions(topic: Topic, there: Found) -> Iterator[Difference]:
    if there.partitions < topic.partitions:
        yield Difference(topic.name, f"{there.partitions} partitions instead of {topic.partitions}")
    elif there.partitions > topic.partitions:
        problem = f"{there.partitions} partitions, more than the {topic.partitions} of the contract"
        yield Difference(topic.name, problem, harmless=True)


def _configs(topic: Topic, there: Found) -> Iterator[Difference]:
    """Against the copies that there are: two in-sync replicas of one copy would stop every producer."""
    for name, wanted in configs_of(topic, there.replicas).items():
        if (value := there.configs.get(name)) != wanted:
            yield Difference(topic.name, f"{name} is {value} instead of {wanted}", change=(name, wanted))
