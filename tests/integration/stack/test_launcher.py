"""The launcher leaves no process behind, however it ends, and says what went wrong."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stack.running import SERVER_PORTS
from stack.services import DEFAULT_PORTS
from tests.integration.stack.launching import PATIENCE, Launching, eventually, launching, stop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # starts and kills whole installations


@pytest.fixture
def at() -> Iterator[Launching]:
    """A folder to launch in."""
    with launching() as made:
        yield made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_the_exit_is_clean(at: Launching, number: signal.Signals) -> None:
    process = at.up()
    names = " ".join(at.processes().values())
    assert all(word in names for word in ("postgres", "valkey-server", "tansu", "fake_service.py registry"))
    process.send_signal(number)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "stopping" in said
    assert at.processes() == {}
    assert sorted(path.name for path in at.run.iterdir()) == ["lock", "log"]
    assert not (at.home / "endpoints" / "endpoints.json").exists()


def test_a_second_ctrl_c_does_not_disturb_the_stopping(at: Launching) -> None:
    process = at.up()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, at.processes()) == (0, {}), said


def test_ctrl_c_while_servers_start_leaves_nothing(at: Launching) -> None:
    process = at.launch()
    written = at.home / "endpoints" / "endpoints.json"
    # Where this process was away all the time that initdb took, it is a Ctrl-C like any other.
    assert eventually(lambda: any("initdb" in line for line in at.processes().values()) or written.exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert at.processes() == {}


def test_ctrl_c_while_a_job_runs_leaves_nothing(at: Launching) -> None:
    process = at.launch("hold")
    assert eventually((at.run / "holds").exists)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert at.processes() == {}


def test_kill_9_takes_the_children_along_and_the_next_start_clears_the_rest(at: Launching) -> None:
    process = at.up()
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert eventually(lambda: not at.processes()), at.processes()
    assert (at.run / "postgres").exists()
    (at.home / "endpoints" / "endpoints.json").unlink()
    stop(at.up())


def test_what_outlived_its_launcher_is_ended_at_the_next_start_and_no_other_process(at: Launching) -> None:
    at.run.mkdir(mode=0o711)
    ours = subprocess.Popen(["sleep", "600"], cwd=at.run)
    foreign = subprocess.Popen(["sleep", "600"], cwd="/")
    with ours, foreign:
        started = [int(Path(f"/proc/{p.pid}/stat").read_text().rpartition(")")[2].split()[19]) for p in (ours, foreign)]
        # The third line has a pid of ours with another start time: a later process that got the pid.
        (at.run / "children").write_text(f"{ours.pid} {started[0]}\n{foreign.pid} {started[1]}\n{foreign.pid} 1\n")
        process = at.up()
        assert ours.wait(timeout=PATIENCE) in {-signal.SIGQUIT, -signal.SIGKILL}
        assert foreign.poll() is None
        foreign.kill()
        stop(process)


def test_it_starts_with_every_default_port_taken(at: Launching) -> None:
    held = []
    with ExitStack() as taken:
        for port in (*DEFAULT_PORTS.values(), *SERVER_PORTS.values()):
            listener = taken.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen()
            except OSError:  # somebody else on this machine has it, and may let go of it
                continue
            held.append(port)
        process = at.launch()
        found = at.endpoints(process)
        assert not any(f":{port}" in str(found) for port in held)
        stop(process)


def test_a_port_that_somebody_took_at_the_last_moment_is_replaced(at: Launching) -> None:
    process = at.up("port-taken")
    assert (at.run / "tried").exists()
    services = [line for line in at.processes().values() if "fake_service.py" in line]
    assert len(services) == 4  # those of the first try are gone
    stop(process)


def test_a_service_that_dies_is_named_with_its_last_words(at: Launching) -> None:
    process = at.launch("die")
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "otp ended by itself (exit code 3)" in said
    assert "the last words of this process" in said
    assert str(at.run / "log" / "otp.log") in said
    assert "Traceback" not in said
    assert at.processes() == {}


def test_a_service_killed_while_running_stops_everything(at: Launching) -> None:
    process = at.up()
    os.kill(next(pid for pid, line in at.processes().items() if "fake_service.py registry" in line), signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "registry ended by itself (signal 9)" in said
    assert at.processes() == {}
