"""The sandbox as its own process on a free port."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(port: int, **variables: str) -> subprocess.Popen[str]:
    """`python -m services.sandbox` with these variables."""
    environment = {"PATH": os.defpath, "SANDBOX_PORT": str(port), "SANDBOX_RETRY_FIRST": "0.05", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "services.sandbox"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def stop(process: subprocess.Popen[str]) -> str:
    """Ask it to end; returns what it wrote. It must take less than 10 s."""
    process.send_signal(signal.SIGTERM)
    _, written = process.communicate(timeout=10)
    return written


def wait_until_up(url: str) -> None:
    """Return when /health answers; fails after 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the sandbox did not answer within 20 s")
