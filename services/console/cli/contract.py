"""`boothline topics acls`: who may do what on a cluster with ACLs, generated from the event contract."""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from services.console.cli.output import Exit, line
from shared.events.rights import as_commands, as_strimzi, rights


async def acls(
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    strimzi: Annotated[bool, Parameter(negative="")] = False,
    cluster: str = "kafka",
) -> int:
    """The least rights that the services need, as a script of kafka-acls.sh lines. Asks no service.

    Parameters
    ----------
    json
        As one JSON document instead.
    strimzi
        As Strimzi KafkaUser resources instead.
    cluster
        Name of Strimzi's Kafka resource.
    """
    allowed = rights()
    if json:
        line({"schema": "boothline.acls/1", "data": [asdict(right) for right in allowed]})
    else:
        _lines(as_strimzi(allowed, cluster) if strimzi else as_commands(allowed))
    return Exit.FINE


def _lines(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{text}\n" for text in lines))
