"""A whole chaos run from the command line: start, strike, audit, tell."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from stack.audit.quiet import StillBusy
from stack.audit.table import tell
from stack.chaos.site import site
from stack.chaos.striking import Scenario, run
from stack.embedded.starting import drive_async
from stack.folder import RunFolder
from stack.kafka import KafkaCluster, prepared
from stack.report import Report
from stack.running import Options


async def perform(
    folder: Callable[[], RunFolder], options: Options, scenario: Scenario, report: Report, *, apache: bool
) -> int:
    """0, or 3 when the audit found something; the logs stay. `apache`: three nodes of Apache Kafka are among those
    who die."""
    held = folder()
    try:
        async with (
            cluster(held, report, nodes=3 if apache else 0) as kafka,
            site(held, options, report, kafka=kafka) as struck,
        ):
            result = await run(struck, scenario, report.console)
            tell(result, report.console)
            report.line(f"{struck.restarts} services ended by themselves and were started again; logs: {held.log}")
            return result.exit_code
    except StillBusy as busy:
        report.failure(f"{busy}; logs: {held.log}")
        return 1
    finally:
        held.close(keep_log=True)


@asynccontextmanager
async def cluster(folder: RunFolder, report: Report, *, nodes: Literal[0, 1, 3]) -> AsyncIterator[KafkaCluster | None]:
    """Apache Kafka, running as long as the block does; None for no nodes: then the embedded broker is used."""
    if nodes == 0:
        yield None
        return
    kafka = KafkaCluster(prepared(), folder, nodes=nodes)
    try:
        with report.step(f"Apache Kafka, {nodes} nodes"):
            await drive_async(kafka.starting())
        yield kafka
    finally:
        kafka.kill()
