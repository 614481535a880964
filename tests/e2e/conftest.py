"""The whole system on real servers, in real processes, once for all end-to-end tests of a run."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import stack.services
from stack.endpoints import Endpoints
from stack.fixture import Size, booths, table
from stack.folder import RunFolder, fresh_test_folder
from stack.kafka import KafkaCluster, prepared
from stack.launcher import Launcher
from stack.product import BOOTHLINE
from stack.report import Report
from stack.running import Options, Product, running
from stack.services import Job, Service
from stack.settings import ServersUnderTest
from tests.collector import Collector
from tests.e2e.world import Appointee, Phones, Registry, fetch

LIST = Size(300)
CODES = [booth.code for booth in booths(LIST)]
"""Booths: one for each test from the beginning, the last ones for tests that need many."""


@dataclass(frozen=True)
class System:
    """What runs."""

    endpoints: Endpoints
    launcher: Launcher
    services: dict[str, Service]
    logs: Path
    runner: asyncio.Runner
    registry: Registry
    phones: Phones
    kafka: KafkaCluster | None
    """None: the embedded broker."""
    collector: Collector
    """Where the services send every span."""

    @property
    def kafka_is_embedded(self) -> bool:
        """As the fixture of this name."""
        return self.kafka is None

    async def sign_in(self) -> str:
        """A fresh link to the portal: the one of the start lives for 15 minutes only."""
        registry = self.services["registry"]
        job = Job("sign-in", (*registry.arguments, "sign-in"), registry.environment)
        return (await self.launcher.output(job)).strip()


@contextlib.contextmanager
def started(folder: Path) -> Iterator[System]:
    """Everything from nothing, with units to record on; stopped at the end."""
    run_folder = fresh_test_folder()
    kafka = _apache(run_folder) if ServersUnderTest().kafka_server == "apache" else None
    options = Options(
        kafka=kafka.bootstrap if kafka else None, endpoints_file=folder / "endpoints.json", usual_ports=False
    )
    with asyncio.Runner() as runner, Path(os.devnull).open("w") as quiet, Collector() as collector:
        context = running(run_folder, options, Report(Console(file=quiet)), traced(BOOTHLINE, collector.url))
        up = runner.run(context.__aenter__())
        try:
            services = {service.name: service for service in up.services}
            with (
                Registry(up.endpoints.services["registry"], up.endpoints.api_key) as registry,
                Phones(up.endpoints.services["sandbox"]) as phones,
            ):
                assert fetch(up.endpoints.sign_in).status_code == 200, "the link of the start opens the portal"
                registry.load(table(booths(LIST)))
                yield System(
                    up.endpoints, up.launcher, services, run_folder.log, runner, registry, phones, kafka, collector
                )
        finally:
            runner.run(context.__aexit__(None, None, None))
            if kafka:
                kafka.kill()
            run_folder.close()


def traced(product: Product, endpoint: str) -> Product:
    """The product with services that record every trace and send it to `endpoint`."""

    def system(*arguments: Any, **more: Any) -> stack.services.System:
        made = product.system(*arguments, **more)
        return replace(made, services=tuple(_traced(service, endpoint) for service in made.services))

    return replace(product, system=system)


def _traced(service: Service, endpoint: str) -> Service:
    if service.name == "sandbox":
        return service
    prefix = service.name.upper()
    told = {f"{prefix}_OTLP_ENDPOINT": endpoint, f"{prefix}_TRACE_SAMPLE": "1"}
    return replace(service, environment={**service.environment, **told})


def _apache(run_folder: RunFolder) -> KafkaCluster:
    kafka = KafkaCluster(prepared(), run_folder)
    kafka.start()
    return kafka


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything, started once; tests use units, posts and phones of their own."""
    with started(tmp_path_factory.mktemp("system")) as system:
        yield system


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return iter(range(1, 100_000))


@pytest.fixture(scope="session")
def _booths() -> Iterator[str]:
    return iter(CODES)


@pytest.fixture
def unit(_booths: Iterator[str]) -> str:
    """Code of a booth of this test alone."""
    return next(_booths)


@pytest.fixture
def appointee(_numbers: Iterator[int], system: System) -> Appointee:
    """A person of this test alone, with a phone and a Telegram account that never met the bot."""
    who = Appointee(next(_numbers))
    system.phones.add(who)
    return who
