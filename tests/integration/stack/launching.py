"""Starts the real launcher with fake services, and looks for processes that it leaves."""

import json
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
PATIENCE = 200.0
"""Seconds for a whole start or stop on a busy machine."""


@dataclass(frozen=True)
class Launching:
    """A short folder for runs: not pytest's, because a parent of that is closed to the user that PostgreSQL runs as."""

    home: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def launch(self, fault: str = "", *, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Starts the launcher and goes on."""
        command = [*prefix, sys.executable, "-m", "tests.integration.stack.fake_launcher", str(self.home), fault]
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.started.append(process)
        return process

    def up(self, fault: str = "", *, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Starts the launcher and waits until everything is ready."""
        process = self.launch(fault, prefix=prefix)
        self.endpoints(process)
        return process

    def endpoints(self, process: subprocess.Popen[str]) -> dict[str, object]:
        """What the launcher wrote once everything was ready."""
        path = self.home / "endpoints" / "endpoints.json"
        assert eventually(lambda: path.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        return found

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.home / "run"

    def processes(self) -> dict[int, str]:
        """Command lines of the processes that work in the folder, by pid."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cwd").readlink().is_relative_to(self.home):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(bytes(1), b" ").decode()
            except OSError:
                continue
        return found


@contextmanager
def launching() -> Iterator[Launching]:
    """Fails when a process is left behind."""
    home = Path(tempfile.mkdtemp(prefix="boothline-launcher-", dir="/tmp"))
    home.chmod(0o711)
    made = Launching(home)
    try:
        yield made
    finally:
        for process in made.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
    assert eventually(lambda: not made.processes()), made.processes()
    shutil.rmtree(home)


def stop(process: subprocess.Popen[str]) -> str:
    """Asks the launcher to stop; returns what it said."""
    process.terminate()
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return said


def eventually(condition: Callable[[], object], *, seconds: float = PATIENCE) -> bool:
    """Whether `condition` becomes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
