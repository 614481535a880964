"""`python -m shared.bus topics --kafka host:port`: make the topics as the contract says, or compare them with it."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import Field

from shared.bus.connection import Connection
from shared.bus.kafka.fitness import Difference
from shared.bus.kafka.topics import ALL_TOPICS, Applied, apply_topics, check_topics
from shared.errors import Failure
from shared.settings import KafkaSettings, load, settings_of

DIFFERENT = 3


class Settings(KafkaSettings):
    """Who makes the topics: on a cluster with ACLs a principal that may create, describe and alter them."""

    model_config = settings_of("TOPICS_")

    replicas: int | None = Field(default=None, ge=1)
    """Copies of every record. Unset: three, or one per broker where there are fewer."""


def main(arguments: list[str]) -> int:
    """Exit codes: 0 all topics are there and fit, 1 the broker does not answer or refuses, 2 usage, 3 something is
    not as the contract says, one line each."""
    given = _parser().parse_args(arguments)
    told = {"kafka": given.kafka} if given.kafka else {}
    told |= {"replicas": given.replicas} if given.replicas else {}
    settings = load(Settings, **told, kafka_ephemeral=given.ephemeral)
    connection = Connection.of(settings, "topics")
    try:
        if given.check:
            return _said(asyncio.run(check_topics(connection, replicas=settings.replicas)))
        return _done(asyncio.run(apply_topics(connection, replicas=settings.replicas)))
    except Failure as failure:
        sys.stderr.write(f"{failure.message}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shared.bus",
        epilog="TOPICS_KAFKA_USERNAME, TOPICS_KAFKA_PASSWORD and TOPICS_KAFKA_CA_FILE say who asks, and whom to trust.",
    )
    parser.add_argument("command", choices=["topics"])
    parser.add_argument("--kafka", help="host:port[,host:port], else TOPICS_KAFKA")
    parser.add_argument("--replicas", type=int, help="copies of every record, else TOPICS_REPLICAS, else three")
    parser.add_argument("--check", action="store_true", help="only compare; exit code 3 when something differs")
    parser.add_argument("--ephemeral", action="store_true", help="the embedded broker")
    return parser


def _done(applied: Applied) -> int:
    for name in applied.made:
        sys.stdout.write(f"{name}: made\n")
    for change in applied.changed:
        sys.stdout.write(f"{change.topic}: {change.problem}: changed\n")
    return _said(applied.left)


def _said(left: Sequence[Difference]) -> int:
    for difference in left:
        sys.stdout.write(f"{difference.topic}: {difference.problem}{' (accepted)' if difference.harmless else ''}\n")
    wrong = [difference for difference in left if not difference.harmless]
    if not wrong:
        sys.stdout.write(f"{len(ALL_TOPICS)} topics fit the contract\n")
    return DIFFERENT if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
