"""What every service may do on a cluster with ACLs: the least that the contract needs, and nothing by hand."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from shared.events.catalogue import CONTRACT, GROUPS, TOPICS, Service

Principal = Service | Literal["topics"]
Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "AlterConfigs", "Create"]

PRINCIPALS: tuple[Principal, ...] = ("registry", "otp", "notifier", "console", "topics")
"""One for each service, and one for the command that makes the topics. User names in Kafka."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One allowed operation. What no right allows is forbidden."""

    principal: Principal
    resource: Literal["topic", "group"]
    name: str
    operation: Operation


def rights() -> tuple[Right, ...]:
    """All of them. Kafka's rules behind it: Write and Read on a topic include Describe; an idempotent producer needs
    no more than Write; committing needs Read on the group; reading without a group is held back by Read on the topic
    alone."""
    made = {*_producers(), *_consumers(), *_console(), *_topics()}
    return tuple(sorted(made, key=lambda right: (PRINCIPALS.index(right.principal), right)))


def _producers() -> Iterator[Right]:
    for entry in CONTRACT:
        for topic in entry.topics:
            for service in entry.producers:
                yield Right(service, "topic", topic.name, "Write")


def _consumers() -> Iterator[Right]:
    """Also their dead letters, which the same process writes."""
    for group, topics in GROUPS.items():
        service = service_of(group)
        yield Right(service, "group", group, "Read")
        for topic in topics:
            yield Right(service, "topic", topic.name, "Read")
            yield Right(service, "topic", topic.dead.name, "Write")


def _console() -> Iterator[Right]:
    """Looks at everything and changes nothing: without Read on a group it commits no offsets."""
    for topic in TOPICS:
        yield Right("console", "topic", topic.name, "Read")
        yield Right("console", "topic", topic.dead.name, "Read")
    for group in GROUPS:
        yield Right("console", "group", group, "Describe")


def _topics() -> Iterator[Right]:
    """`python -m shared.bus topics`."""
    for topic in TOPICS:
        for name in (topic.name, topic.dead.name):
            for operation in ("Create", "Describe", "DescribeConfigs", "AlterConfigs"):
                yield Right("topics", "topic", name, operation)


def service_of(group: str) -> Service:
    """The service that a consumer group belongs to: `notifier-bulk` is the notifier's."""
    consumers = {service for entry in CONTRACT for service in entry.consumers}
    return next(service for service in consumers if service == group.partition("-")[0])


def as_commands(allowed: Sequence[Right]) -> Iterator[str]:
    """Lines for a shell: kafka-acls.sh of Apache Kafka, with the file of an administrator's client settings."""
    yield "#!/bin/sh"
    yield "# Usage: KAFKA=host:port ADMIN=admin.properties sh acls.sh (kafka-acls.sh of Apache Kafka on the PATH)"
    yield "set -eu"
    for principal, of_principal in groupby(allowed, lambda right: right.principal):
        for (resource, operations), names in _together(of_principal):
            words = [f"--allow-principal 'User:{principal}'"]
            words += [f"--operation {operation}" for operation in operations]
            words += [f"--{resource} '{name}'" for name in names]
            yield (
                'kafka-acls.sh --bootstrap-server "$KAFKA" --command-config "$ADMIN" --add --force ' + " ".join(words)
            )


def as_strimzi(allowed: Sequence[Right], cluster: str) -> Iterator[str]:
    """Lines of YAML: one KafkaUser for each principal, for Strimzi's user operator in front of `cluster`."""
    for principal, of_principal in groupby(allowed, lambda right: right.principal):
        yield "---"
        yield "apiVersion: kafka.strimzi.io/v1beta2"
        yield "kind: KafkaUser"
        yield "metadata:"
        yield f"  name: {principal}"
        yield "  labels:"
        yield f"    strimzi.io/cluster: {cluster}"
        yield "spec:"
        yield "  authentication:"
        yield "    type: scram-sha-512"
        yield "  authorization:"
        yield "    type: simple"
        yield "    acls:"
        for (resource, operations), names in _together(of_principal):
            for name in names:
                yield f"      - resource: {{type: {resource}, name: {name}, patternType: literal}}"
                yield f"        operations: [{', '.join(operations)}]"


def _together(allowed: Iterable[Right]) -> list[tuple[tuple[str, tuple[Operation, ...]], list[str]]]:
    """Names of resources by kind and allowed operations, so that one line says what it can."""
    operations: dict[tuple[str, str], list[Operation]] = {}
    for right in allowed:
        operations.setdefault((right.resource, right.name), []).append(right.operation)
    names: dict[tuple[str, tuple[Operation, ...]], list[str]] = {}
    for (resource, name), found in operations.items():
        names.setdefault((resource, tuple(found)), []).append(name)
    return list(names.items())
