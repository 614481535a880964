"""`python -m shared.bus topics --kafka host:port`: create the topics of the contract, or check them."""

import argparse
import asyncio
import sys

from shared.bus.connection import Connection
from shared.bus.kafka.topics import ALL_TOPICS, ensure_topics
from shared.errors import Failure
from shared.settings import KafkaSettings, load, settings_of


class Settings(KafkaSettings):
    """Who makes the topics: on a cluster with ACLs a principal that may create and describe them."""

    model_config = settings_of("TOPICS_")


def main(arguments: list[str]) -> int:
    """Exit codes: 0 all topics are there and fit, 1 they do not, 2 usage."""
    parser = argparse.ArgumentParser(
        prog="python -m shared.bus",
        epilog="TOPICS_KAFKA_USERNAME, TOPICS_KAFKA_PASSWORD and TOPICS_KAFKA_CA_FILE say who asks, and whom to trust.",
    )
    parser.add_argument("command", choices=["topics"])
    parser.add_argument("--kafka", help="host:port[,host:port], else TOPICS_KAFKA")
    parser.add_argument("--ephemeral", action="store_true", help="the embedded broker")
    given = parser.parse_args(arguments)
    told = {"kafka": given.kafka} if given.kafka else {}
    settings = load(Settings, **told, kafka_ephemeral=given.ephemeral)
    try:
        created = asyncio.run(ensure_topics(Connection.of(settings, "topics")))
    except Failure as failure:
        sys.stderr.write(f"{failure.message}\n")
        return 1
    sys.stdout.write(f"{len(ALL_TOPICS)} topics fit the contract, {len(created)} of them new\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
