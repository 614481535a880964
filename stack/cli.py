"""`python -m stack`: start everything, with or without simulated workers."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from shared.errors import Failure
from stack import errand, kubernetes_secrets, secrets_file
from stack.child import StartFailed
from stack.embedded import BinariesMissing
from stack.fixture import Size, write
from stack.folder import FolderInUse, FolderNotOurs, RunFolder, run_path
from stack.kafka.jars import KafkaMissing
from stack.launcher import ProcessDied
from stack.report import Report
from stack.running import CHECKOUT, SIGN_IN, Options
from stack.settings import StackSettings

app = App(name="stack", help="Starts Boothline on servers of its own.", version_flags=[])
_RUN = "run"
Kafka = Annotated[str | None, Parameter(help="host:port of a Kafka to use instead of the embedded broker")]
Wipe = Annotated[bool, Parameter(negative=(), help="delete Boothline's topics of an earlier run on that Kafka first")]


@app.command
def up(*, empty: bool = False, kafka: Kafka = None, wipe_topics: Wipe = False) -> int:
    """Start everything with a made-up district and run until Ctrl-C.

    Parameters
    ----------
    empty
        Without the district.
    """
    from stack.demo.performance import stay_up  # noqa: PLC0415  loading all takes 0.5 s; `--help` does not need it
    from stack.product import BOOTHLINE  # noqa: PLC0415

    report = Report(Console())
    return until_signal(
        stay_up(_folder, Options(kafka=kafka, wipe_topics=wipe_topics), report, BOOTHLINE, empty=empty), report
    )


@app.command
def demo(*, once: bool = False, kafka: Kafka = None, wipe_topics: Wipe = False) -> int:
    """Start everything, let simulated workers confirm 60 appointments, and run until Ctrl-C.

    Parameters
    ----------
    once
        Stop after the workers; the exit code is 0 when every expectation is met.
    """
    from stack.demo.performance import perform  # noqa: PLC0415  as above
    from stack.product import BOOTHLINE  # noqa: PLC0415

    report = Report(Console())
    return until_signal(
        perform(_folder, Options(kafka=kafka, wipe_topics=wipe_topics), report, BOOTHLINE, once=once), report
    )


@app.command
def kafka() -> int:
    """Run Apache Kafka, one node without any data, on loopback until Ctrl-C."""
    from stack.kafka.alone import serve  # noqa: PLC0415  as above

    report = Report(Console())
    return until_signal(serve(lambda: RunFolder(run_path(CHECKOUT, "kafka", StackSettings().state)), report), report)


@app.command
def chaos(*, appointments: int = 300, seed: int = 1, kills: int = 24, one_in: int = 100, apache: bool = False) -> int:
    """Kill everything at counted points while people record and confirm, then audit: 0, or 3 when something is found.

    Parameters
    ----------
    seed
        Who dies when; the same seed strikes at the same counts.
    one_in
        Of so many calls to the carrier one is refused, one broken, one taken and never answered.
    apache
        On three nodes of Apache Kafka, which are killed as well (needs Java and Maven).
    """
    from stack.chaos.performance import perform  # noqa: PLC0415  as above
    from stack.chaos.striking import Scenario  # noqa: PLC0415

    report = Report(Console())
    scenario = Scenario(appointments, seed, kills, one_in)
    return until_signal(
        perform(_folder_of("chaos"), Options(log_level="warning"), scenario, report, apache=apache), report
    )


@app.command
def drill(*, scale: float = 0.01, answers: float = 0.25, seed: int = 1, apache: bool = False) -> int:
    """Import a made-up state, let people answer, audit: 0, 3 when something is found, 1 when something grew.

    Parameters
    ----------
    scale
        1 is the whole state: 65,015 booths, 780,180 appointments.
    answers
        Share of the people who answer, half by link, half by reply.
    apache
        On one node of Apache Kafka (needs Java and Maven): the embedded broker keeps every record in memory.
    """
    from stack.drill.drilling import Scenario  # noqa: PLC0415  as above
    from stack.drill.performance import perform  # noqa: PLC0415

    report = Report(Console())
    scenario = Scenario(scale, answers, seed, CHECKOUT / ".run" / "drill")
    return until_signal(
        perform(_folder_of("drill"), Options(log_level="warning"), scenario, report, apache=apache), report
    )


@app.command
def sign_in() -> int:
    """Print another one-time link to the portal of what is running."""
    try:
        sys.stdout.write(errand.run(run_path(CHECKOUT, _RUN, StackSettings().state) / SIGN_IN))
    except errand.NothingRuns as nothing:
        Report(Console(stderr=True)).failure(str(nothing))
        return 1
    return 0


@app.command
def secrets(file: Path = Path(".env"), *, sandbox: bool = False, kubernetes: Path | None = None) -> int:
    """Write fresh secrets for docker-compose.yml into `file`, which must not exist.

    Parameters
    ----------
    sandbox
        With the made-up carrier and Bot API: complete, and nothing leaves the machine.
    kubernetes
        Instead, a file for each service into this folder, which must not exist, for an overlay of deploy/kubernetes.
    """
    try:
        if kubernetes:
            kubernetes_secrets.write(kubernetes)
        else:
            secrets_file.write(file, sandbox=sandbox)
    except secrets_file.FileExists as exists:
        Report(Console(stderr=True)).failure(str(exists))
        return 1
    return 0


@app.command
def fixture(folder: Path, *, booths: int = 500, seed: int = 1) -> int:
    """Write a made-up state as units.csv and people.csv into `folder`."""
    write(Size(booths, seed), folder)
    return 0


def _folder() -> RunFolder:
    return _folder_of(_RUN)()


def _folder_of(name: str) -> Callable[[], RunFolder]:
    return lambda: RunFolder(run_path(CHECKOUT, name, StackSettings().state))


def until_signal(work: Coroutine[object, object, int], report: Report) -> int:
    """Runs `work` until it ends or a signal comes; a failure is a sentence, not a traceback."""
    try:
        return asyncio.run(_cancelled_by_signal(work))
    except asyncio.CancelledError:
        return 0
    except FolderInUse as holder:
        report.failure(
            f"Boothline is running already from this checkout (process {holder}). Stop it there with Ctrl-C."
        )
    except (StartFailed, ProcessDied, BinariesMissing, KafkaMissing, FolderNotOurs, Failure) as failure:
        report.failure(str(failure))
    return 1


async def _cancelled_by_signal(work: Coroutine[object, object, int]) -> int:
    main = asyncio.current_task()
    assert main is not None
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in _SIGNALS:  # a second Ctrl-C must not interrupt the stopping, which is bounded
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        main.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    return await work


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """The command line."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what goes wrong is said in our words
    sys.exit(app())
