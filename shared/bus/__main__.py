"""`python -m shared.bus topics --kafka host:port`: create the topics of the contract, or check them."""

import argparse
import asyncio
import sys

from shared.bus.connection import Connection
from shared.bus.kafka.topics import ALL_TOPICS, ensure_topics
from shared.errors import Failure


def main(arguments: list[str]) -> int:
    """Exit codes: 0 all topics are there and fit, 1 they do not, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m shared.bus")
    parser.add_argument("command", choices=["topics"])
    parser.add_argument("--kafka", required=True, help="host:port[,host:port]")
    parser.add_argument("--ephemeral", action="store_true", help="the embedded broker")
    given = parser.parse_args(arguments)
    try:
        created = asyncio.run(ensure_topics(Connection(given.kafka, "boothline-topics", given.ephemeral)))
    except Failure as failure:
        sys.stderr.write(f"{failure.message}\n")
        return 1
    sys.stdout.write(f"{len(ALL_TOPICS)} topics fit the contract, {len(created)} of them new\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
