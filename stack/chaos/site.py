"""The installation that is struck: every process of it can be killed and started again."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from shared.bus import ensure_topics
from shared.lifecycle import Tasks
from stack import ports
from stack.audit import Sources
from stack.child import Child, StartFailed, Waiting
from stack.embedded.starting import drive_async
from stack.folder import RunFolder
from stack.kafka import KafkaCluster
from stack.launcher import READY_SECONDS, Launcher, is_ready
from stack.product import BOOTHLINE
from stack.report import Report
from stack.running import Options, Product, Running, running
from stack.services import Service, System

QUICK = {"OTP_UNKNOWN_WAIT_SECONDS": "5"}
"""A message in doubt is attempted anew after 5 s instead of 45: nobody here is confused by two."""
_SUPERVISED = 0.2
_LOOK = 0.05


@dataclass(slots=True)
class Victim:
    """A process: `child` is the present one, `starting` starts the next."""

    name: str
    child: Callable[[], Child]
    starting: Callable[[], Waiting]
    serves: bool = False
    """Whether it is a service of ours, which the launcher watches."""


class Site:
    """What runs, as victims."""

    def __init__(self, up: Running, kafka: KafkaCluster | None) -> None:
        """`kafka`: the cluster in use, if it is not the embedded broker."""
        self.up = up
        self.kafka = kafka
        self.restarts = 0
        """Of services that ended by themselves."""
        self.sources = Sources.of(up.services, up.endpoints.services["sandbox"])
        self.services = {service.name: service for service in up.services}
        self.victims: Mapping[str, Victim] = {victim.name: victim for victim in self._victims()}

    def url(self, service: str) -> str:
        """Where a service answers."""
        return self.up.endpoints.services[service]

    def add(self, service: Service) -> None:
        """Start one more process."""
        self.services[service.name] = service
        self.up.launcher.start(service)
        self.victims = {victim.name: victim for victim in self._victims()}

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        child = self.victims[name].child()
        if child in self._launcher.watched:
            self._launcher.watched.remove(child)
        if child.exit_code is None:
            os.kill(child.pid, signal.SIGKILL)
        child.end()

    async def start(self, name: str) -> None:
        """Start it again; a service may not be ready yet when this returns."""
        await drive_async(self.victims[name].starting())

    async def supervise(self) -> None:
        """As every supervisor does: a service that ends by itself (its database was away when it started) is started
        again. Until cancelled."""
        while True:
            for child in [child for child in self._launcher.watched if child.exit_code is not None]:
                if child.command.name in self.services:
                    self._launcher.watched.remove(child)
                    self.restarts += 1
                    await self.start(child.command.name)
            await asyncio.sleep(_SUPERVISED)

    async def ready(self, *names: str, seconds: float = READY_SECONDS) -> None:
        """Wait until these services are ready; one that ends by itself meanwhile is started again by `supervise`.
        Raises StartFailed."""
        deadline = time.monotonic() + seconds
        for service in (self.services[name] for name in names):
            while not await self._is_ready(service):
                if time.monotonic() > deadline:
                    raise StartFailed(f"{service.name} was not ready within {seconds:.0f} s")
                await asyncio.sleep(_LOOK)

    async def _is_ready(self, service: Service) -> bool:
        children = [child for child in self._launcher.watched if child.command.name == service.name]
        return any(ports.listens(child.pid, service.port) for child in children) and await is_ready(service.port)

    async def empty_broker(self) -> None:
        """The embedded broker is killed and comes back as another one, without anything, its topics made anew."""
        tansu = self.up.servers.tansu
        assert tansu is not None, "an Apache Kafka keeps what it has"
        self.kill("broker")
        await drive_async(tansu.starting_empty())
        await ensure_topics(self.sources.bus)

    @property
    def _launcher(self) -> Launcher:
        return self.up.launcher

    def _victims(self) -> Iterator[Victim]:
        servers = self.up.servers
        for service in self.services.values():
            if service.name != "sandbox":  # the world outside is not ours to kill
                yield Victim(service.name, self._child_of(service.name), self._starting(service), serves=True)
        yield Victim("postgres", lambda: _there(servers.postgres.child), servers.postgres.starting_again)
        yield Victim("valkey", lambda: _there(servers.valkey.child), servers.valkey.starting_again)
        if servers.tansu:
            tansu = servers.tansu
            yield Victim("broker", lambda: _there(tansu.child), tansu.starting_empty)
        for node in self.kafka.nodes if self.kafka else ():
            yield Victim(node.name, lambda node=node: _there(node.child), node.starting)  # type: ignore[misc]

    def _child_of(self, name: str) -> Callable[[], Child]:
        return lambda: next(child for child in self._launcher.watched if child.command.name == name)

    def _starting(self, service: Service) -> Callable[[], Waiting]:
        def starting() -> Waiting:
            self._launcher.start(service)
            yield

        return starting


@asynccontextmanager
async def site(
    folder: RunFolder,
    options: Options,
    report: Report,
    *,
    kafka: KafkaCluster | None = None,
    settings: Mapping[str, str] = QUICK,
) -> AsyncIterator[Site]:
    """Everything running, with the registry's relay as a process of its own. `settings` replace those of services."""
    options = replace(options, kafka=kafka.bootstrap if kafka else None, usual_ports=False)
    async with running(folder, options, report, _product(settings)) as up:
        made = Site(up, kafka)
        registry = made.services["registry"]
        made.add(Service("relay", (*registry.arguments, "relay"), 0, registry.environment))
        made.sources.write(folder.path / "audit.json")
        async with Tasks() as tasks:
            tasks.spawn(made.supervise(), "supervisor")
            yield made


def _product(settings: Mapping[str, str]) -> Product:
    def system(*arguments: object, **more: object) -> System:
        built = BOOTHLINE.system(*arguments, **more)
        wanted = {"REGISTRY_RELAY": "false", **settings}
        return replace(built, services=tuple(_with(service, wanted) for service in built.services))

    return replace(BOOTHLINE, system=system)


def _with(service: Service, wanted: Mapping[str, str]) -> Service:
    own = {name: value for name, value in wanted.items() if name.startswith(f"{service.name.upper()}_")}
    return replace(service, environment={**service.environment, **own})


def _there(child: Child | None) -> Child:
    assert child is not None, "it was never started"
    return child


async def settle(seconds: float) -> None:
    """A pause between a kill and the next start: how long something is away, not a wait for anything."""
    await asyncio.sleep(seconds)
