"""One child process: started on the leash, its output in a log file, stopped within a bound."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from stack import leash
from stack.folder import RunFolder
from stack.identity import Identity, identify

Waiting = Generator[None, None, None]
"""A start under way: each step asks its driver to wait a little, so that one thread starts everything at once. Closed
before its end, it ends the programs that it was waiting for."""


STOPPED = frozenset("TtXZ")
"""States of a thread that does nothing: stopped, traced, dead, zombie."""


class StartFailed(RuntimeError):
    """A process could not be started or did not become ready; says which and shows the end of its log."""


@dataclass(frozen=True)
class Command:
    """What to run: its own environment only (nothing of ours is handed down) and the signal that ends it at once."""

    name: str
    argv: Sequence[str | Path]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    death: signal.Signals = signal.SIGKILL
    stop: signal.Signals = signal.SIGTERM
    output: Path | None = None
    """Where standard output goes instead of the log."""


class Child:
    """A running `Command`; start it from the main thread, because it dies with the thread that started it."""

    def __init__(self, command: Command, folder: RunFolder) -> None:
        """Starts the program in a session of its own, so that Ctrl-C in the terminal reaches only us."""
        self.command = command
        self.log = folder.log / f"{command.name}.log"
        leashed = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(int(command.death))]
        leashed += [str(-1 if command.uid is None else command.uid), *map(str, command.argv)]
        with contextlib.ExitStack() as files:
            log = files.enter_context(_private(self.log))
            output = files.enter_context(_private(command.output)) if command.output else log
            self._process = subprocess.Popen(
                leashed,
                cwd=command.cwd,
                env={**command.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
            )
        self.identity = identify(self._process.pid) or Identity(self._process.pid, 0)
        folder.record(self.identity)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        return self._process.poll()

    def finishing(self, seconds: float) -> Waiting:
        """Waits for a program that ends by itself; raises `StartFailed` when it fails or needs more than `seconds`."""
        deadline = time.monotonic() + seconds
        try:
            while self.exit_code is None:
                if time.monotonic() > deadline:
                    raise StartFailed(self.story(f"did not finish within {seconds:.0f} s"))
                yield
        finally:
            self.end()
        if self.exit_code != 0:
            raise StartFailed(self.story(f"ended with exit code {self.exit_code}"))

    def ask_to_stop(self) -> None:
        """Sends the stopping signal and returns."""
        if self.exit_code is None:
            self._process.send_signal(self.command.stop)

    def freeze(self) -> None:
        """SIGSTOP, and waits until no thread of it runs any more: the signal alone stops them one after the other."""
        os.kill(self.pid, signal.SIGSTOP)
        while not all(state in STOPPED for state in _states(self.pid)):
            time.sleep(0.001)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self, seconds: float = 5.0) -> None:
        """Stops it: the polite signal, and SIGKILL when it is still there after `seconds`."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        if self.exit_code is None:
            self._process.kill()
            self._process.wait()

    def tail(self, lines: int = 15) -> str:
        """The last lines that it wrote."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def story(self, what: str) -> str:
        """`what` happened to this process, with the end of its log and where the rest is."""
        return f"{self.command.name} {what}\n{self.tail()}\n(the whole log: {self.log})"


def _states(pid: int) -> Iterator[str]:
    """The state of each thread, as proc(5) has it."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            yield (thread / "stat").read_text().rpartition(")")[2].split()[0]


def _private(path: Path) -> BinaryIO:
    path.touch(mode=0o600)
    return path.open("ab")
