"""The rights of the contract, asked of Apache Kafka: everything allowed is allowed, everything else is refused."""

import asyncio
from collections.abc import Callable, Collection, Iterable

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient

from shared.bus import ALL_TOPICS, BusUnavailable, Outgoing, TopicForbidden
from shared.bus.kafka import diagnosis
from shared.bus.wire import AccessRefused, Place
from shared.events import APPOINTMENTS, PEOPLE, REPLIES, URGENT, Topic
from shared.events.catalogue import GROUPS
from shared.events.rights import PRINCIPALS, Principal, rights
from tests.integration.security.secured import ANSWER_SECONDS, Secured

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

IMPLIED = {"Read": {"Describe"}, "Write": {"Describe"}, "AlterConfigs": {"DescribeConfigs"}}
"""What Kafka adds to a right by itself (org.apache.kafka.common.acl.AclOperation)."""
NAMES = {
    AclOperation.READ: "Read", AclOperation.WRITE: "Write", AclOperation.CREATE: "Create",
    AclOperation.DELETE: "Delete", AclOperation.ALTER: "Alter", AclOperation.DESCRIBE: "Describe",
    AclOperation.DESCRIBE_CONFIGS: "DescribeConfigs", AclOperation.ALTER_CONFIGS: "AlterConfigs",
}  # fmt: skip


def meant(principal: Principal, resource: str) -> dict[str, set[str]]:
    """Operations by name of the resource, as the contract says."""
    found: dict[str, set[str]] = {}
    for right in rights():
        if (right.principal, right.resource) == (principal, resource):
            found.setdefault(right.name, set()).update({right.operation} | IMPLIED.get(right.operation, set()))
    return found


def allowed_operations(client: AdminClient, topic: Topic) -> set[str]:
    """What the broker says that this principal may do with a topic."""
    (asked,) = client.describe_topics(TopicCollection([topic.name]), include_authorized_operations=True).values()
    try:
        return {NAMES[operation] for operation in asked.result(ANSWER_SECONDS).authorized_operations}
    except KafkaException as failure:
        return none_if(failure, KafkaError.TOPIC_AUTHORIZATION_FAILED)


def none_if(failure: KafkaException, code: int) -> set[str]:
    """No operation, if that is why it failed; else raises it."""
    if failure.args[0].code() != code:
        raise failure
    return set()


def refused(attempt: Callable[[], object]) -> bool:
    """Whether the broker says that this is not this principal's to do. Any other failure is one."""
    try:
        attempt()
    except KafkaException as failure:
        return none_if(failure, KafkaError.GROUP_AUTHORIZATION_FAILED) == set()
    return False


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_a_principal_may_do_with_every_topic_what_the_contract_says_and_nothing_else(
    kafka: Secured, principal: Principal
) -> None:
    client, wanted = kafka.admin(principal), meant(principal, "topic")
    for topic in ALL_TOPICS:
        assert allowed_operations(client, topic) == wanted.get(topic.name, set()), topic.name


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_a_principal_moves_the_offsets_of_its_own_groups_only(kafka: Secured, principal: Principal) -> None:
    client, wanted = kafka.admin(principal), meant(principal, "group")
    for group, its_topics in GROUPS.items():
        place = TopicPartition(its_topics[0].name, 0, 0)

        def look(group: str = group) -> None:
            (asked,) = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
            asked.result(ANSWER_SECONDS)

        def move(group: str = group, place: TopicPartition = place) -> None:
            offsets = [ConsumerGroupTopicPartitions(group, [place])]
            (asked,) = client.alter_consumer_group_offsets(offsets).values()
            (moved,) = asked.result(ANSWER_SECONDS).topic_partitions
            if moved.error is not None:
                raise KafkaException(moved.error)

        assert refused(look) == ("Describe" not in wanted.get(group, set())), group
        assert refused(move) == ("Read" not in wanted.get(group, set())), group


async def written(kafka: Secured, principal: str, topics: Iterable[Topic]) -> set[str]:
    """Those of `topics` that a principal's publisher could write to."""
    publisher, taken = kafka.connection(principal).publisher(), set()
    try:
        await publisher.start()
        for topic in topics:
            try:
                await publisher.send([Outgoing(topic.name, b"key", b"{}", ())])
            except TopicForbidden:
                continue
            taken.add(topic.name)
    finally:
        await publisher.stop()
    return taken


@pytest.mark.parametrize("principal", ["registry", "otp", "notifier"])
async def test_our_publisher_writes_where_the_contract_says_and_is_refused_elsewhere(
    kafka: Secured, principal: Principal
) -> None:
    allowed = {name for name, operations in meant(principal, "topic").items() if "Write" in operations}
    assert await written(kafka, principal, ALL_TOPICS) == allowed


@pytest.mark.parametrize("principal", ["console", "topics"])
async def test_whoever_only_looks_gets_no_publisher_at_all(kafka: Secured, principal: str) -> None:
    with pytest.raises(AccessRefused, match=f"user {principal} may write to no topic at all"):
        await written(kafka, principal, [APPOINTMENTS, URGENT])


@pytest.mark.parametrize(
    ("principal", "topic"),
    [("registry", REPLIES), ("registry", PEOPLE), ("notifier", APPOINTMENTS), ("topics", URGENT)],
)
async def test_our_reader_is_refused_what_is_somebody_elses(kafka: Secured, principal: str, topic: Topic) -> None:
    with pytest.raises(AccessRefused, match=f"user {principal} may not read or write topic {topic.name}"):
        await kafka.connection(principal).reader().ends([topic])


async def test_the_console_reads_every_topic_and_the_offsets_of_every_group(kafka: Secured) -> None:
    reader = kafka.connection("console").reader()
    assert len(await reader.ends(ALL_TOPICS)) == sum(topic.partitions for topic in ALL_TOPICS)
    for group, its_topics in GROUPS.items():
        await reader.committed(group, its_topics)
    assert set(await reader.topics()) == {topic.name for topic in ALL_TOPICS}


class Listening:
    """A member's listener that notes whether the group has settled."""

    settled = False

    async def revoked(self, *, lost: bool) -> None:
        """Nothing is held."""

    async def assigned(self, places: Collection[Place]) -> None:  # noqa: ARG002 # how many does not matter
        """With or without partitions."""
        self.settled = True


async def joined(kafka: Secured, principal: str, group: str, topics: tuple[Topic, ...]) -> None:
    """Join a group and poll until it has settled; raises what the broker says."""
    member, listening = kafka.connection(principal).member(group, topics), Listening()
    try:
        await member.start(listening)
        async with asyncio.timeout(120):
            while not listening.settled:
                await member.poll([Place(topics[0].name, 0)], 1, 0.2)
    finally:
        await member.stop()


async def test_the_console_cannot_join_or_commit_in_anothers_group(kafka: Secured) -> None:
    with pytest.raises(AccessRefused, match="user console may not use consumer group otp"):
        await joined(kafka, "console", "otp", (APPOINTMENTS,))


async def test_a_member_that_may_not_read_its_topic_says_so(kafka: Secured) -> None:
    with pytest.raises(AccessRefused, match=r"topic notifier\.replies is missing, or user registry may not read it"):
        await joined(kafka, "registry", "registry", (REPLIES,))


async def test_a_service_joins_its_own_group(kafka: Secured) -> None:
    await joined(kafka, "otp", "otp", GROUPS["otp"])


async def test_nobody_gets_in_without_a_password(kafka: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_SECONDS", 60.0)
    with pytest.raises(BusUnavailable, match="refused user otp: wrong password, or unknown user"):
        await kafka.connection("otp", "not-its-password").reader().topics()
