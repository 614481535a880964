"""Settings of topics on Apache Kafka: set right where a machine may, named where only a person may."""

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic

from shared.bus import ALL_TOPICS
from shared.bus.__main__ import main
from tests.e2e.world import until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


class Admin:
    """Somebody else who changes topics."""

    def __init__(self, bootstrap: str) -> None:
        """Connects at the first request."""
        self._client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def make(self, topic: str, partitions: int) -> None:
        """A topic with the cluster's own settings."""
        self._client.create_topics([NewTopic(topic, partitions, 1)])[topic].result(60)
        until(lambda: self._partitions(topic) == partitions, "the node knows the topic")

    def grow(self, topic: str, partitions: int) -> None:
        """More partitions."""
        self._client.create_partitions([NewPartitions(topic, partitions)])[topic].result(60)
        until(lambda: self._partitions(topic) == partitions, "the node knows the partitions")

    def set(self, topic: str, name: str, value: str) -> None:
        """One setting."""
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        self._client.incremental_alter_configs([resource])[resource].result(60)
        until(lambda: self.configs(topic)[name] == value, "the node knows the setting")

    def configs(self, topic: str) -> dict[str, str]:
        """All settings."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        found = self._client.describe_configs([resource])[resource].result(60)
        return {name: entry.value for name, entry in found.items()}

    def _partitions(self, topic: str) -> int:
        found = self._client.list_topics(timeout=60).topics
        return len(found[topic].partitions) if topic in found else 0


@pytest.fixture
def admin(own_kafka: str) -> Admin:
    return Admin(own_kafka)


@pytest.fixture
def said(own_kafka: str, capsys: pytest.CaptureFixture[str]) -> "Said":
    return Said(own_kafka, capsys)


class Said:
    """What the command says."""

    def __init__(self, bootstrap: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Of one broker."""
        self._bootstrap, self._capsys = bootstrap, capsys

    def __call__(self, *options: str) -> tuple[int, list[str]]:
        """Exit code and lines."""
        code = main(["topics", "--kafka", self._bootstrap, *options])
        return code, self._capsys.readouterr().out.splitlines()


FITTING = (0, ["14 topics fit the contract"])


def test_checking_makes_nothing_and_names_every_missing_topic(said: Said) -> None:
    for _ in range(2):
        assert said("--check") == (3, [f"{topic.name}: missing" for topic in ALL_TOPICS])


def test_what_was_made_fits_and_is_left_alone(said: Said) -> None:
    code, lines = said()
    assert (code, len(lines)) == (0, 15)
    assert said() == said("--check") == FITTING


WRONG = [
    ("notifier.deliveries", "retention.ms", "60000", "2592000000"),
    ("notifier.urgent", "max.message.bytes", "2000", "1048588"),
    ("otp.challenges", "cleanup.policy", "compact", "delete"),
    ("registry.people", "retention.ms", "60000", "604800000"),
    ("notifier.bulk.dead", "retention.ms", "60000", "2592000000"),
    ("notifier.replies.dead", "max.message.bytes", "1048588", "1114124"),
]


def test_wrong_settings_are_named_and_set_right_and_others_are_kept(said: Said, admin: Admin) -> None:
    said()
    for topic, name, value, _ in WRONG:
        admin.set(topic, "segment.bytes", "33554432")
        admin.set(topic, name, value)
    problems = {f"{topic}: {name} is {value} instead of {wanted}" for topic, name, value, wanted in WRONG}
    code, lines = said("--check")
    assert (code, {*lines}) == (3, problems)
    code, lines = said()
    assert (code, {*lines}) == (0, {f"{problem}: changed" for problem in problems} | {"14 topics fit the contract"})
    assert said("--check") == FITTING
    assert {admin.configs(topic)["segment.bytes"] for topic, *_ in WRONG} == {"33554432"}


def test_a_topic_that_somebody_made_with_the_clusters_own_settings_gets_those_of_the_contract(
    said: Said, admin: Admin
) -> None:
    admin.make("notifier.deliveries", 12)
    said()
    assert admin.configs("notifier.deliveries")["retention.ms"] == "2592000000"


def test_fewer_partitions_are_named_and_not_touched(said: Said, admin: Admin) -> None:
    admin.make("registry.people", 3)
    said()
    assert said() == said("--check") == (3, ["registry.people: 3 partitions instead of 12"])


def test_more_partitions_are_accepted_and_said(said: Said, admin: Admin) -> None:
    said()
    admin.grow("registry.people", 13)
    line = "registry.people: 13 partitions, more than the 12 of the contract (accepted)"
    assert said() == said("--check") == (0, [line, "14 topics fit the contract"])


def test_copies_that_one_node_cannot_hold_are_refused_and_fewer_than_wanted_are_named(
    said: Said, own_kafka: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["topics", "--kafka", own_kafka, "--replicas", "3"]) == 1
    assert "replication" in capsys.readouterr().err.lower()
    said()
    code, lines = said("--check", "--replicas", "3")
    assert (code, lines[0]) == (3, "registry.appointments: 1 copies instead of 3")
    assert len(lines) == 14
