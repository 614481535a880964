"""The whole system on real servers, in real processes, once for all end-to-end tests of a run."""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from stack.endpoints import Endpoints
from stack.folder import fresh_test_folder
from stack.launcher import Launcher
from stack.product import BOOTHLINE
from stack.report import Report
from stack.running import Options, running
from stack.services import Service
from tests.e2e.world import Appointee, Phones, Registry


@dataclass(frozen=True)
class System:
    """What runs, and how to kill it."""

    endpoints: Endpoints
    launcher: Launcher
    services: dict[str, Service]
    logs: Path
    runner: asyncio.Runner

    @property
    def registry(self) -> Registry:
        """A recorder's view."""
        return Registry(self.endpoints.services["registry"], self.endpoints.api_key)

    @property
    def phones(self) -> Phones:
        """The phones."""
        return Phones(self.endpoints.services["sandbox"])

    def pid(self, name: str) -> int:
        """The process of a service."""
        return next(c.pid for c in self.launcher.watched if c.command.name == name and c.exit_code is None)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        child = next(c for c in self.launcher.watched if c.command.name == name and c.exit_code is None)
        os.kill(child.pid, signal.SIGKILL)
        child.end()
        self.launcher.watched.remove(child)

    def start(self, name: str, *, ready: bool = True) -> None:
        """Start a service again."""
        self.launcher.start(self.services[name])
        if ready:
            self.runner.run(self.launcher.ready([self.services[name]]))


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything, started once; tests use units, posts and phones of their own."""
    folder = fresh_test_folder()
    options = Options(
        kafka=os.environ.get("TEST_KAFKA"),  # noqa: TID251 - the one variable that the tests' launcher takes over
        endpoints_file=tmp_path_factory.mktemp("endpoints") / "endpoints.json",
    )
    with asyncio.Runner() as runner, Path(os.devnull).open("w") as quiet:
        started = running(folder, options, Report(Console(file=quiet)), BOOTHLINE)
        up = runner.run(started.__aenter__())
        try:
            yield System(
                up.endpoints, up.launcher, {service.name: service for service in up.services}, folder.log, runner
            )
        finally:
            runner.run(started.__aexit__(None, None, None))
            folder.close()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return iter(range(1, 100_000))


@pytest.fixture
def appointee(_numbers: Iterator[int], system: System) -> Appointee:
    """A person of this test alone, with a phone without Telegram."""
    who = Appointee(next(_numbers))
    system.phones.add(who, telegram=False)
    return who
