"""Supervises the service processes: starts them, waits until they are ready, notices a death, stops them in reverse."""

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import TypeVar

from stack import ports
from stack.child import Child, Command, StartFailed
from stack.embedded.starting import drive_async, together
from stack.folder import RunFolder
from stack.services import Job, Service

T = TypeVar("T")

READY_SECONDS = 180.0
"""For all services together, and for a job: a cold start imports everything from disk on a busy machine."""
STOP_SECONDS = 20.0
"""For all services together: each may finish what it has in hand; after that SIGKILL."""


class ProcessDied(RuntimeError):
    """A process ended though nobody asked it to; says which and shows the end of its log."""

    def __init__(self, said: str, exit_code: int) -> None:
        """`exit_code` is minus the signal's number when a signal ended it."""
        super().__init__(said)
        self.exit_code = exit_code


class Launcher:
    """Processes of one run; what it starts ends with `stop`, or with this process at the latest."""

    def __init__(self, folder: RunFolder, checkout: Path) -> None:
        """Runs programs of `checkout`; their working folder is the run folder, which proves them to be ours."""
        self._folder, self._checkout = folder, checkout
        self._children: list[Child] = []
        self.watched: list[Child] = []

    async def run(self, jobs: Iterable[Job], *, seconds: float = READY_SECONDS) -> None:
        """Runs `jobs` at the same time to their ends; raises `StartFailed` when one fails."""
        started = [self._start(job) for job in jobs]
        await drive_async(together(child.finishing(seconds) for child in started))

    async def output(self, job: Job, *, seconds: float = READY_SECONDS) -> str:
        """Runs `job` and returns what it printed; that reaches no log, because it may be a secret."""
        path = self._folder.path / f"{job.name}.out"
        child = self._start(job, path)
        try:
            await drive_async(child.finishing(seconds))
            return path.read_text(encoding="utf-8")
        finally:
            path.unlink(missing_ok=True)

    def start(self, service: Service) -> None:
        """Starts `service` and goes on; from now on its death is noticed by `watch`."""
        self.watched.append(self._start(service))

    async def ready(self, services: Iterable[Service], *, seconds: float = READY_SECONDS) -> None:
        """Waits until all of them answer 200 on /ready; raises `StartFailed` or `ProcessDied`."""
        deadline = time.monotonic() + seconds
        for service in services:
            child = next(child for child in self.watched if child.command.name == service.name)
            while not (ports.listens(child.pid, service.port) and await is_ready(service.port)):
                self.check()
                if time.monotonic() > deadline:
                    raise StartFailed(child.story(f"was not ready within {seconds:.0f} s"))
                await asyncio.sleep(0.05)

    def watch_also(self, children: Iterable[Child]) -> None:
        """Notices the death of processes that somebody else started."""
        self.watched.extend(children)

    def check(self) -> None:
        """Raises `ProcessDied` when a watched process has ended."""
        for child in self.watched:
            if child.exit_code is not None:
                raise ProcessDied(child.story(f"ended by itself ({_how(child.exit_code)})"), child.exit_code)

    async def watch(self) -> None:
        """Returns never; raises `ProcessDied` when a watched process ends."""
        while True:
            self.check()
            await asyncio.sleep(0.2)

    async def while_all_live(self, work: Coroutine[object, object, T]) -> T:
        """The result of `work`; raises `ProcessDied` as soon as a watched process ends before."""
        try:
            async with asyncio.TaskGroup() as group:
                working = group.create_task(work)
                watching = group.create_task(self.watch())
                working.add_done_callback(lambda _: watching.cancel())
        except* ProcessDied as died:
            raise died.exceptions[0] from None
        return working.result()

    def stop(self) -> None:
        """Stops the services in reverse order, within `STOP_SECONDS` altogether."""
        deadline = time.monotonic() + STOP_SECONDS
        while self._children:
            child = self._children.pop()
            child.end(max(0.1, deadline - time.monotonic()))
            if child in self.watched:
                self.watched.remove(child)

    def command(self, what: Job | Service, output: Path | None = None) -> Command:
        """How `what` is run: in the run folder, with its own settings and nothing of ours."""
        base = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(self._checkout), "PYTHONUNBUFFERED": "1"}
        return Command(what.name, what.arguments, self._folder.path, {**base, **what.environment}, output=output)

    def _start(self, what: Job | Service, output: Path | None = None) -> Child:
        child = Child(self.command(what, output), self._folder)
        self._children.append(child)
        return child


async def is_ready(port: int, *, seconds: float = 6.0) -> bool:
    """Whether GET /ready on `port` answers 200; a readiness probe of ours takes 5 s at most."""
    with contextlib.suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).split()[1] == b"200"
            finally:
                writer.close()
    return False


def _how(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
