"""The whole of Boothline running: servers, topics, migrations, services, and where they can be reached."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from shared.errors import EX_UNAVAILABLE
from stack import ports
from stack.embedded import Embedded, Plan
from stack.embedded.starting import drive_async
from stack.endpoints import Endpoints, tunnel
from stack.errand import keep
from stack.folder import RunFolder
from stack.keys import make_keys
from stack.launcher import Launcher, ProcessDied
from stack.report import Report
from stack.services import DEFAULT_PORTS, Service, System
from stack.settings import StackSettings

CHECKOUT = Path(__file__).resolve().parent.parent
SERVER_PORTS = {"postgres": 5633, "valkey": 6479, "kafka": 9192}
"""Beside the servers' own default ports, where somebody's real servers may listen."""


SIGN_IN = "sign-in.json"
"""In the run folder: the command that makes another sign-in link, with the registry's settings."""


@dataclass(frozen=True)
class Product:
    """What is started on the servers; tests start something smaller."""

    system: Callable[..., System]
    make_topics: Callable[[str, "Options"], Awaitable[None]]
    """(bootstrap, how it is started)."""


@dataclass(frozen=True)
class Options:
    """How to start: another Kafka than the embedded broker, whether our topics of an earlier run may be deleted there,
    what the services log."""

    kafka: str | None = None
    wipe_topics: bool = False
    log_level: str = "info"
    usual_ports: bool = True
    """False: only free ports of the system's choice, so that several runs do not meet: what one of them restarts finds
    its port free."""
    endpoints_file: Path = field(default_factory=lambda: StackSettings().endpoints)


@dataclass(frozen=True)
class Running:
    """A running installation."""

    endpoints: Endpoints
    launcher: Launcher
    services: tuple[Service, ...]
    servers: Embedded


@asynccontextmanager
async def running(folder: RunFolder, options: Options, report: Report, product: Product) -> AsyncIterator[Running]:
    """Starts everything and stops it when the block ends; raises `StartFailed`, `ProcessDied` or `BinariesMissing`."""
    options.endpoints_file.unlink(missing_ok=True)  # of a run that was killed
    plan = _plan(options)
    stack = Embedded(folder, plan)
    launcher = Launcher(folder, CHECKOUT)
    with _stopping(stack, launcher, report):
        with report.step("PostgreSQL, Valkey" + (", a broker that speaks Kafka's protocol" if plan.broker else "")):
            await drive_async(stack.starting())
            launcher.watch_also(stack.children)
        servers = replace(stack.servers, kafka=options.kafka or stack.servers.kafka)
        build = partial(product.system, servers, keys=make_keys(), ephemeral=plan.broker, log_level=options.log_level)
        with report.step("tables and topics"):
            await asyncio.gather(launcher.run(build(DEFAULT_PORTS).jobs), product.make_topics(servers.kafka, options))
        with report.step("services"):
            started, said = await _started(launcher, build, usual=options.usual_ports)
        endpoints = Endpoints(
            services={service.name: service.url for service in started.services},
            api_key=said["api_key"],
            sign_in=said["sign_in_url"],
            kafka=servers.kafka,
            logs=str(folder.log),
        )
        endpoints.write(options.endpoints_file)
        keep(launcher.command(started.sign_in), folder.path / SIGN_IN)
        try:
            yield Running(endpoints, launcher, started.services, stack)
        finally:
            options.endpoints_file.unlink(missing_ok=True)


def _plan(options: Options) -> Plan:
    usual: Mapping[str, int] = SERVER_PORTS if options.usual_ports else {}
    return Plan(usual.get("postgres"), usual.get("valkey"), usual.get("kafka"), broker=options.kafka is None)


async def _started(
    launcher: Launcher, build: Callable[[Mapping[str, int]], System], *, usual: bool
) -> tuple[System, dict[str, str]]:
    """The services, ready, and what the bootstrap said. Ports are free when they are picked; where somebody is faster
    than our service, everything is started again on others."""
    for last in (False, False, True):
        system = build({name: ports.pick(port if usual else None) for name, port in DEFAULT_PORTS.items()})
        try:
            for service in system.services:
                launcher.start(service)
            said: dict[str, str] = json.loads(await launcher.output(system.bootstrap))
            await launcher.ready(system.services)
        except ProcessDied as died:
            if last or died.exit_code != EX_UNAVAILABLE:
                raise
            launcher.stop()
        else:
            return system, said
    raise AssertionError("unreachable")


def tell(endpoints: Endpoints, options: Options, report: Report) -> None:
    """Prints where to look."""
    services = endpoints.services
    lines = {
        "portal": f"{endpoints.sign_in}  opens once, within 15 minutes; `make sign-in` prints another",
        "phones": f"{services['sandbox']}  what the made-up people see: SMS, chats, channels",
        "console": f"{services['console']}  topics, lag, dead letters",
        "API": f"{services['registry']}/v1/..  with the key in {_short(options.endpoints_file)}",
        "logs": endpoints.logs,
    }
    report.line("")
    for name, text in lines.items():
        report.line(f"  {name:<9}{text}")
    numbers = {name: int(url.rpartition(":")[2]) for name, url in services.items()}
    report.line("  From another machine, so that the same addresses work there:")
    report.line(f"  {tunnel(numbers, socket.gethostname())}")
    report.line("")


@contextmanager
def _stopping(stack: Embedded, launcher: Launcher, report: Report) -> Iterator[None]:
    try:
        yield
    finally:
        with report.step("stopping"):
            launcher.stop()
            stack.stop()


def _short(path: Path) -> str:
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
