"""A whole drill from the command line: run, audit, report."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rich.console import Console

from shared.lifecycle import Tasks
from stack.audit import Act, Audit, Notebook, audit
from stack.audit.quiet import StillBusy
from stack.audit.table import tell as tell_audit
from stack.chaos.performance import cluster
from stack.demo.http import Refused
from stack.drill.drilling import Drill, Scenario, Stuck, drill, sources
from stack.drill.outside.people import ACTS_FILE
from stack.drill.telling import Run, tell
from stack.folder import RunFolder
from stack.kafka import KafkaCluster
from stack.report import Report
from stack.running import Options

SAY_SECONDS = 60.0
UNBOUNDED = FAILED = 1
"""Exit code when something grew without bound, and when the run did not come to its end."""


async def perform(
    folder: Callable[[], RunFolder], options: Options, scenario: Scenario, report: Report, *, apache: bool
) -> int:
    """The whole drill: 0, 3 when the audit found something, 1 when something grew without bound. `apache`: on one node
    of Apache Kafka, which keeps records on disk; the embedded broker keeps them in memory."""
    held = folder()
    try:
        async with cluster(held, report, nodes=1 if apache else 0) as kafka:
            on = replace(options, kafka=kafka.bootstrap if kafka else None, usual_ports=False)
            return await _performed(held, on, scenario, report, kafka)
    except (Refused, Stuck, StillBusy) as failure:
        report.failure(f"{failure}; logs: {held.log}")
        return FAILED
    finally:
        held.close(keep_log=True)


async def _performed(
    folder: RunFolder, options: Options, scenario: Scenario, report: Report, kafka: KafkaCluster | None
) -> int:
    async with drill(folder, options, scenario, report) as run:
        if kafka:
            run.up.launcher.watch_also(kafka.children)
        async with Tasks() as tasks:
            tasks.spawn(run.sampling(), "samples")
            if not report.console.is_terminal:
                tasks.spawn(run.saying(SAY_SECONDS), "progress")
            await run.up.launcher.while_all_live(run.go())
        run.bar.stop()
        with report.step("audit"):
            result = await _audited(run)
    return _reported(run, result, report.console)


async def _audited(run: Drill) -> Audit:
    path = run.files / "audit.sqlite"
    with Notebook(path) as notebook:
        for page in _acts(run.files / ACTS_FILE):
            notebook.add(Act, page)
        found = await audit(sources(run.up, run.files), notebook, expected=run.appointments, acts_by_phone=True)
    path.unlink()
    return found


def _acts(path: Path) -> Iterator[list[Act]]:
    """What people wrote down: a hash of the phone, the state that must follow or `-`, codes asked for."""
    with path.open(encoding="utf-8") as lines:
        while page := list(islice(lines, 5_000)):
            rows = (line.split() for line in page)
            yield [Act(phone, "" if ends == "-" else ends, int(asks), phone) for phone, ends, asks in rows]


def _reported(run: Drill, result: Audit, console: Console) -> int:
    done = Run(run.appointments, run.phases, run.counts)
    with (run.scenario.folder / "report.txt").open("w", encoding="utf-8") as file:
        for where in (Console(width=120, file=file), console):
            unbounded = tell(done, run.book.series, where)
            tell_audit(result, where)
    return result.exit_code or (UNBOUNDED if unbounded else 0)
