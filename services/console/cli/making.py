"""`boothline topics apply | check`: the contract's topics, asked of the cluster: services need them to run."""

from typing import Annotated

from cyclopts import Parameter

from shared.bus.__main__ import main

Kafka = Annotated[str | None, Parameter(help="host:port[,host:port], else TOPICS_KAFKA")]
Replicas = Annotated[int | None, Parameter(help="copies of every record, else TOPICS_REPLICAS, else three")]


def apply(*, kafka: Kafka = None, replicas: Replicas = None) -> int:
    """Make missing topics and set wrong settings right; may be run again. Exit code 3 if something is left that only
    a person may change: partitions, copies."""
    return main(_told(kafka, replicas))


def check(*, kafka: Kafka = None, replicas: Replicas = None) -> int:
    """Compare the topics with the contract and change nothing. Exit code 3 and a line for each difference."""
    return main([*_told(kafka, replicas), "--check"])


def _told(kafka: str | None, replicas: int | None) -> list[str]:
    told = ["topics"]
    told += ["--kafka", kafka] if kafka else []
    told += ["--replicas", str(replicas)] if replicas else []
    return told
