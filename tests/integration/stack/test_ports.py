"""A port is ours only when our process listens on it."""

import os
import socket
import subprocess

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
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert ports.pick(port) != port
    assert ports.pick(port) == port
