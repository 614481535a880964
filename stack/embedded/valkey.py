"""Valkey 9 with a password, an append-only file and nothing else on."""

import secrets
from pathlib import Path

from stack import ports
from stack.child import Child, Command, StartFailed, Waiting
from stack.embedded.starting import READY_SECONDS, until
from stack.folder import RunFolder

# always: with everysec an acknowledged write can die with the process while a flush is running.
_CONFIGURATION = """
bind 127.0.0.1
port {port}
dir "{folder}"
requirepass {password}
databases 16
save ""
appendonly yes
appendfsync always
auto-aof-rewrite-percentage 100
daemonize no
logfile ""
loglevel notice
enable-debug-command no
maxmemory-policy noeviction
"""


class Valkey:
    """One server with its data in the run folder."""

    name = "valkey"

    def __init__(self, program: Path, folder: RunFolder, preferred: int | None) -> None:
        """Prepares it on `preferred` or, when that is taken, on any free port."""
        self._program, self._run, self._preferred = program, folder, preferred
        self._password = secrets.token_urlsafe(24)
        self.port = 0
        self.child: Child | None = None

    def url(self, database: int = 0) -> str:
        """Where clients connect, password included."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/{database}"

    def starting(self) -> Waiting:
        """Starts it and waits until it answers; raises `StartFailed`."""
        folder = self._run.path / self.name
        folder.mkdir(mode=0o700)
        for attempt in range(3):
            self.port = ports.pick(self._preferred if attempt == 0 else None)
            path = folder / "valkey.conf"
            path.touch(mode=0o600)
            path.write_text(
                _CONFIGURATION.format(port=self.port, folder=folder, password=self._password), encoding="ascii"
            )
            child = self.child = Child(Command(self.name, [self._program, path], folder), self._run)
            yield from until(self._answers, child, seconds=READY_SECONDS)
            if child.exit_code is None:
                return
        raise StartFailed(child.story("did not start"))

    def starting_again(self) -> Waiting:
        """Starts it on its data and port after it was killed; raises `StartFailed`."""
        folder = self._run.path / self.name
        child = self.child = Child(Command(self.name, [self._program, folder / "valkey.conf"], folder), self._run)
        yield from until(self._answers, child, seconds=READY_SECONDS)
        if child.exit_code is not None:
            raise StartFailed(child.story("did not start again"))

    def _answers(self) -> bool:
        return ports.answers(self.port, f"AUTH {self._password}\r\nPING\r\n".encode(), b"+PONG")
