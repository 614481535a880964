"""Free ports of the loopback interface."""

import os
import secrets
import socket
from collections import deque
from pathlib import Path

LOOPBACK = "127.0.0.1"
_RANGE = range(20_000, 32_000)  # below Linux's ephemeral range (32768..), so that no outgoing connection takes one
_LISTEN = "0A"
_HELD = 64
_held: deque[int] = deque()
"""File descriptors, bound to the last ports of `pick` and never listening: a server of ours still gets its port
(SO_REUSEADDR, which all of them set), and while it begins, or is killed and started again, no `pick` of another process
takes it."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def pick(preferred: int | None = None) -> int:
    """`preferred` when it is free, else any free port, which other processes that pick then leave alone; a stranger may
    still be faster, so servers try again."""
    if preferred is not None and is_free(preferred):
        return preferred
    for _ in range(1_000):
        port = secrets.choice(_RANGE)
        if _is_nobodys(port):
            _hold(port)
            return port
    raise RuntimeError("no free port on 127.0.0.1 between 20000 and 31999")


def _is_nobodys(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))  # without SO_REUSEADDR: nor does somebody hold it
        except OSError:
            return False
        return True


def _hold(port: int) -> None:
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((LOOPBACK, port))
    except OSError:  # somebody was faster, and the server will see it
        holder.close()
        return
    _held.append(holder.detach())  # they go with the process
    if len(_held) > _HELD:
        os.close(_held.popleft())


def answers(port: int, question: bytes, expected: bytes, *, seconds: float = 0.5) -> bool:
    """Whether the server on `port` replies to `question` with something that holds `expected`."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=seconds) as connection:
            connection.sendall(question)
            return expected in connection.recv(65_536)
    except OSError:
        return False


def listens(pid: int, port: int) -> bool:
    """Whether it is this process that listens on `port`, and not somebody who was faster (proc(5), /proc/net/tcp)."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    try:
        return any(str(entry.readlink()) in inodes for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it has ended, or closed a file while we looked
        return False
