"""The sandbox as its own process on a port of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]


@contextmanager
def own_port() -> Iterator[int]:
    """A port that nobody else gets while the block lasts, also before and between its servers: it stays bound by a
    socket that does not listen. Beside that our servers may, since they set SO_REUSEADDR; nobody who leaves the choice
    to Linux is given it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@contextmanager
def sandbox(port: int, **variables: str) -> Iterator[str]:
    """The URL of a sandbox that answers; it must end when it is told to, and have nothing to say."""
    with start(port, **variables) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_up(url)
            yield url
            assert stop(process) == "", "the sandbox wrote no warning and no error"
        finally:
            process.kill()


def start(port: int, **variables: str) -> subprocess.Popen[str]:
    """`python -m services.sandbox` with these variables."""
    environment = {"PATH": os.defpath, "SANDBOX_PORT": str(port), "SANDBOX_RETRY_FIRST": "0.05", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "services.sandbox"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def stop(process: subprocess.Popen[str]) -> str:
    """Ask it to end; returns what it wrote. It must not wait for the end of a long poll of 50 s."""
    process.send_signal(signal.SIGTERM)
    _, written = process.communicate(timeout=30)
    return written


def wait_until_up(url: str) -> None:
    """Return when /health answers; fails after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the sandbox did not answer within a minute")
