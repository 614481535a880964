"""A port is ours only when our process listens on it."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stack import ports


def test_a_listener_belongs_to_its_own_process_only() -> None:
    with socket.socket() as listener, subprocess.Popen(["sleep", "60"]) as other:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert not ports.listens(os.getpid(), port)
        listener.listen()
        assert ports.listens(os.getpid(), port)
        assert not ports.listens(other.pid, port)
        assert not ports.is_free(port)
        other.kill()
    assert not ports.listens(os.getpid(), port)
    assert not ports.listens(2**22 + 1, port)


def test_a_taken_port_is_replaced_and_a_free_one_is_kept() -> None:
    port = ports.pick()  # one of the ephemeral range might be an outgoing connection's a moment later
    with listening(port):
        assert ports.pick(port) != port
    assert ports.pick(port) == port


def test_a_port_that_was_picked_is_left_alone_by_others_while_its_server_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = ports.pick()
    monkeypatch.setattr(ports, "_RANGE", [port])
    with pytest.raises(RuntimeError, match="no free port"):
        ports.pick()
    for _again in range(2):
        with listening(port):
            assert ports.listens(os.getpid(), port)


@contextmanager
def listening(port: int) -> Iterator[None]:
    """As servers do it."""
    with socket.create_server((ports.LOOPBACK, port)):
        yield
