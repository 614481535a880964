"""The README's commands on a fresh clone: as an ordinary user, from a folder with a space, however it is stopped."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
USER = f"boothline-{os.getpid()}"
STOPPING = 180.0
"""Seconds for the end of everything: 20 for our services, some for each server, on a machine that is busy."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_000)]


@dataclass(frozen=True)
class Clone:
    """A fresh clone and the user who works in it."""

    path: Path
    user: str
    environment: Mapping[str, str]

    def make(self, *words: str) -> subprocess.Popen[str]:
        """Starts make as that user, in a process group of its own as a shell does."""
        return subprocess.Popen(
            ["make", *words],
            cwd=self.path,
            env={**self.environment},
            user=self.user,
            group=self.user,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, seconds: float) -> str:
        """Runs make to its end; fails with what it said."""
        process = self.make(*words)
        said, _ = process.communicate(timeout=seconds)
        assert process.returncode == 0, said
        return said

    def up(self) -> subprocess.Popen[str]:
        """Starts `make up` and waits until everything is ready."""
        process = self.make("up")
        written = self.path / ".run" / "endpoints.json"
        assert eventually(lambda: written.exists() or process.poll() is not None, seconds=600)
        assert process.poll() is None, process.communicate()[0]
        return process

    def processes(self) -> dict[int, str]:
        """What runs for the clone: its command line names it, or it works in the user's state folder."""
        return {pid: line for pid, line in _all_processes() if str(self.path) in line or self._state in line}

    @property
    def _state(self) -> str:
        return str(Path(self.environment["HOME"]) / ".local" / "state" / "boothline")


def _all_processes() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            cwd, line = (entry / "cwd").readlink(), (entry / "cmdline").read_bytes()
        except OSError:
            continue
        yield int(entry.name), f"{cwd} {line.replace(bytes(1), b' ').decode(errors='replace')}"


def eventually(condition: Callable[[], object], *, seconds: float = 120.0) -> bool:
    """Whether `condition` becomes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """A clone of what is committed; for root as a user that is made for it, because the demo must not need root."""
    base = Path(tempfile.mkdtemp(prefix="boothline-fresh-", dir="/tmp"))
    base.chmod(0o755)
    path = base / "a folder with a space" / "boothline"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", CHECKOUT, path], check=True)
    # The machine's settings for package indexes are needed, not its PATH: root's Python may be closed to others.
    passed = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}  # noqa: TID251
    if os.geteuid() == 0:
        subprocess.run(["useradd", "--home-dir", base / "home", "--create-home", USER], check=True)
        subprocess.run(["chown", "-R", f"{USER}:", base], check=True)
        user, home = USER, base / "home"
    else:
        user, home = pwd.getpwuid(os.geteuid()).pw_name, base / "home"
        home.mkdir()
    made = Clone(path, user, {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **passed})
    yield made
    left = made.processes()
    if os.geteuid() == 0:
        subprocess.run(["userdel", USER], check=True)
    shutil.rmtree(base)
    assert left == {}


def test_the_demo_passes_on_a_fresh_clone(clone: Clone) -> None:
    said = clone.run("demo", "ONCE=1", seconds=2_400)
    assert "60 appointments" in said
    assert "as expected" in said
    assert clone.processes() == {}
    assert not (clone.path / ".run" / "endpoints.json").exists()


def test_ctrl_c_stops_everything(clone: Clone) -> None:
    process = clone.up()
    os.killpg(process.pid, signal.SIGINT)  # the terminal sends it to make and the launcher alike
    said, _ = process.communicate(timeout=STOPPING)
    assert "stopping" in said
    assert eventually(lambda: not clone.processes()), clone.processes()


@pytest.mark.parametrize("victim", ["make", "the launcher"])
def test_kill_9_leaves_nothing_and_the_next_start_works(clone: Clone, victim: str) -> None:
    process = clone.up()
    launcher = next(pid for pid, line in clone.processes().items() if "-m stack up" in line)
    os.kill(process.pid if victim == "make" else launcher, signal.SIGKILL)
    process.communicate(timeout=STOPPING)
    assert eventually(lambda: not clone.processes()), clone.processes()
    (clone.path / ".run" / "endpoints.json").unlink(missing_ok=True)
    again = clone.up()
    again.terminate()
    again.communicate(timeout=STOPPING)
    assert eventually(lambda: not clone.processes()), clone.processes()
