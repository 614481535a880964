"""The launcher leaves no process behind, however it ends, and says what went wrong."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stack import errand
from stack.running import SERVER_PORTS, SIGN_IN
from stack.services import DEFAULT_PORTS

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home() -> Iterator[Path]:
    """A short folder: not pytest's, because a parent of that is closed to the user that PostgreSQL runs as."""
    path = Path(tempfile.mkdtemp(prefix="boothline-launcher-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    assert eventually(lambda: not processes_in(path)), processes_in(path)
    shutil.rmtree(path)


@pytest.fixture
def launch(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def launch(fault: str = "", *, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*prefix, sys.executable, "-m", "tests.integration.stack.fake_launcher", str(home), fault]
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def eventually(condition: Callable[[], object], *, seconds: float = 20.0) -> bool:
    """Whether `condition` becomes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def processes_in(folder: Path) -> dict[int, str]:
    """Command lines of the processes that work in `folder`, by pid."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(folder):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def endpoints(home: Path, process: subprocess.Popen[str]) -> dict[str, object]:
    """What the launcher wrote once everything was up."""
    path = home / "endpoints" / "endpoints.json"
    assert eventually(lambda: path.exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_the_exit_is_clean(
    home: Path, launch: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = launch()
    endpoints(home, process)
    names = " ".join(processes_in(home).values())
    assert all(word in names for word in ("postgres", "valkey-server", "tansu", "fake_service.py registry"))
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "stopping" in said
    assert processes_in(home) == {}
    assert sorted(path.name for path in (home / "run").iterdir()) == ["lock", "log"]
    assert not (home / "endpoints" / "endpoints.json").exists()


def test_a_second_interrupt_does_not_disturb_the_stopping(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch()
    endpoints(home, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, processes_in(home)) == (0, {}), said


def test_an_interrupt_while_starting_leaves_nothing(home: Path, launch: Callable[..., subprocess.Popen[str]]) -> None:
    process = launch()
    assert eventually(lambda: any("initdb" in line for line in processes_in(home).values()))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert processes_in(home) == {}


def test_kill_9_takes_the_children_along_and_the_next_start_clears_the_rest(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch()
    endpoints(home, process)
    process.kill()
    process.communicate(timeout=30)
    assert eventually(lambda: not processes_in(home)), processes_in(home)
    assert (home / "run" / "postgres").exists()
    (home / "endpoints" / "endpoints.json").unlink()

    again = launch()
    endpoints(home, again)
    again.send_signal(signal.SIGTERM)
    said, _ = again.communicate(timeout=30)
    assert again.returncode == 0, said


def test_a_process_that_outlived_its_launcher_is_ended_at_the_next_start_and_no_other_one(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    run = home / "run"
    run.mkdir(mode=0o711)
    ours = subprocess.Popen(["sleep", "600"], cwd=run)
    foreign = subprocess.Popen(["sleep", "600"], cwd="/")
    with ours, foreign:
        started = [int(Path(f"/proc/{p.pid}/stat").read_text().rpartition(")")[2].split()[19]) for p in (ours, foreign)]
        # The third line has our pid with another start time: a later process that got a pid of ours.
        (run / "children").write_text(f"{ours.pid} {started[0]}\n{foreign.pid} {started[1]}\n{foreign.pid} 1\n")
        process = launch()
        endpoints(home, process)
        assert ours.wait(timeout=10) == -signal.SIGQUIT
        assert foreign.poll() is None
        foreign.kill()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_a_second_start_from_the_same_checkout_gets_a_sentence(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch()
    endpoints(home, process)
    said, _ = launch().communicate(timeout=30)
    assert f"running already from this checkout (process {process.pid})" in said
    assert "Traceback" not in said
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_it_starts_with_every_default_port_taken(home: Path, launch: Callable[..., subprocess.Popen[str]]) -> None:
    defaults = [*DEFAULT_PORTS.values(), *SERVER_PORTS.values()]
    with ExitStack() as taken:
        for port in defaults:
            listener = taken.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen()
            except OSError:  # somebody else on this machine has it: taken as well
                continue
        process = launch()
        found = endpoints(home, process)
        assert not any(f":{port}" in str(found) for port in defaults)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0, said


def test_a_port_that_somebody_took_at_the_last_moment_is_replaced(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch("port-taken")
    endpoints(home, process)
    assert (home / "run" / "tried").exists()
    services = [line for line in processes_in(home).values() if "fake_service.py" in line]
    assert len(services) == 4  # those of the first try are gone
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said


def test_a_service_that_dies_is_named_with_its_last_words(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch("die")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "otp ended by itself (exit code 3)" in said
    assert "the last words of this process" in said
    assert str(home / "run" / "log" / "otp.log") in said
    assert "Traceback" not in said
    assert processes_in(home) == {}


def test_a_service_killed_while_running_stops_everything(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch()
    endpoints(home, process)
    victim = next(pid for pid, line in processes_in(home).items() if "fake_service.py registry" in line)
    os.kill(victim, signal.SIGKILL)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "registry ended by itself (signal 9)" in said
    assert processes_in(home) == {}


def test_children_get_their_own_settings_and_nothing_of_ours(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch(prefix=("env", "SECRET_OF_THE_SHELL=1"))
    endpoints(home, process)
    log = (home / "run" / "log" / "otp.log").read_text(encoding="utf-8")
    assert "['LANG', 'OTP_FAULT', 'OTP_PORT', 'PATH', 'PYTHONPATH', 'PYTHONUNBUFFERED']" in log
    assert stat.S_IMODE((home / "run" / "log" / "otp.log").stat().st_mode) == 0o600
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_another_sign_in_link_can_be_had_while_it_runs(
    home: Path, launch: Callable[..., subprocess.Popen[str]]
) -> None:
    process = launch()
    endpoints(home, process)
    left = home / "run" / SIGN_IN
    assert errand.run(left) == "http://127.0.0.1/again\n"
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    with pytest.raises(errand.NothingRuns, match="make demo"):
        errand.run(left)
