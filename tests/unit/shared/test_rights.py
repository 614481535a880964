"""The rights of every service: derived from the contract, and nothing more."""

import shlex
from itertools import pairwise

import yaml

from shared.events.catalogue import CONTRACT, GROUPS, TOPICS
from shared.events.rights import PRINCIPALS, Right, as_commands, as_strimzi, rights, service_of

ALLOWED = rights()


def may(principal: str, operation: str, resource: str) -> set[str]:
    """Names of what it may do that with."""
    return {r.name for r in ALLOWED if (r.principal, r.operation, r.resource) == (principal, operation, resource)}


def test_a_service_writes_what_it_produces_and_dead_letters_of_what_it_consumes() -> None:
    assert may("registry", "Write", "topic") == {
        "registry.appointments", "registry.people", "notifier.urgent", "notifier.bulk",
        "otp.challenges.dead", "notifier.deliveries.dead",
    }  # fmt: skip
    assert may("otp", "Write", "topic") == {
        "otp.challenges", "notifier.urgent", "notifier.bulk",
        "registry.appointments.dead", "registry.people.dead", "notifier.replies.dead", "notifier.deliveries.dead",
    }  # fmt: skip
    assert may("notifier", "Write", "topic") == {
        "notifier.deliveries", "notifier.replies",
        "otp.challenges.dead", "registry.people.dead", "notifier.urgent.dead", "notifier.bulk.dead",
    }  # fmt: skip


def test_a_service_reads_what_it_consumes_in_its_own_groups() -> None:
    assert may("registry", "Read", "topic") == {"otp.challenges", "notifier.deliveries"}
    assert may("registry", "Read", "group") == {"registry", "registry-deliveries"}
    assert may("otp", "Read", "group") == {"otp", "otp-replies"}
    assert may("notifier", "Read", "group") == {"notifier", "notifier-urgent", "notifier-bulk"}
    for group, topics in GROUPS.items():
        assert {topic.name for topic in topics} <= may(service_of(group), "Read", "topic")


def test_the_console_looks_at_everything_and_changes_nothing() -> None:
    assert may("console", "Read", "topic") == {name for t in TOPICS for name in (t.name, t.dead.name)}
    assert may("console", "Describe", "group") == set(GROUPS)
    assert {(r.resource, r.operation) for r in ALLOWED if r.principal == "console"} == {
        ("topic", "Read"),
        ("group", "Describe"),
    }


def test_whoever_makes_the_topics_reads_and_writes_no_record() -> None:
    allowed = {r.operation for r in ALLOWED if r.principal == "topics"}
    assert allowed == {"Create", "Describe", "DescribeConfigs", "AlterConfigs"}


def test_no_right_is_given_twice_or_by_pattern() -> None:
    assert len(ALLOWED) == len(set(ALLOWED))
    assert not [right for right in ALLOWED if "*" in right.name]


def test_every_producer_and_consumer_of_the_contract_can_do_its_work() -> None:
    for entry in CONTRACT:
        for topic in entry.topics:
            assert all(topic.name in may(service, "Write", "topic") for service in entry.producers)
            assert all(topic.name in may(service, "Read", "topic") for service in entry.consumers)


def test_the_script_says_the_same() -> None:
    said = set[Right]()
    for text in as_commands(ALLOWED):
        if not text.startswith("kafka-acls.sh"):
            continue
        words = shlex.split(text)
        pairs = [(flag.removeprefix("--"), value) for flag, value in pairwise(words)]
        principal = dict(pairs)["allow-principal"].removeprefix("User:")
        said |= {
            Right(principal, resource, name, operation)  # type: ignore[arg-type]
            for resource, name in pairs
            if resource in {"topic", "group"}
            for flag, operation in pairs
            if flag == "operation"
        }
    assert said == set(ALLOWED)


def test_the_strimzi_resources_say_the_same() -> None:
    users = list(yaml.safe_load_all("\n".join(as_strimzi(ALLOWED, "prod"))))
    assert [user["metadata"]["name"] for user in users] == list(PRINCIPALS)
    said = {
        Right(user["metadata"]["name"], acl["resource"]["type"], acl["resource"]["name"], operation)
        for user in users
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    assert said == set(ALLOWED)
    for user in users:
        assert (user["apiVersion"], user["kind"]) == ("kafka.strimzi.io/v1beta2", "KafkaUser")
        assert user["metadata"]["labels"] == {"strimzi.io/cluster": "prod"}
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
        assert {acl["resource"]["patternType"] for acl in user["spec"]["authorization"]["acls"]} == {"literal"}
