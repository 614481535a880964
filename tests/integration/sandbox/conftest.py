"""The sandbox as its own process on a free port, emptied before every test, and a client for it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[3]
TOKEN = "7000000001:sandbox-token"
ACCOUNT = ("AC00000000000000000000000000005a5d", "sandbox-auth-token")
ANITA = "+915550000210"
RAVI = "+915550000447"


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


class Client(httpx.Client):
    """The sandbox's HTTP with short ways for what tests do often."""

    def control(self, path: str, method: str = "POST", **body: Any) -> Any:
        """A control call that must succeed."""
        answer = self.request(method, f"/control{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def bot(self, method: str, **params: Any) -> Any:
        """A Bot API call; returns its body."""
        return self.post(f"/bot{TOKEN}/{method}", json=params).json()

    def sms(self, to: str, body: str, **fields: str) -> httpx.Response:
        """A send through the carrier."""
        form = {"To": to, "From": "BL-BOOTHL", "Body": body, **fields}
        return self.post(f"/2010-04-01/Accounts/{ACCOUNT[0]}/Messages.json", data=form, auth=ACCOUNT)


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    port = free_port()
    process = start(port)
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url)
    yield url
    assert stop(process) == "", "the sandbox wrote no warning and no error"


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


@pytest.fixture
def client(sandbox_url: str) -> Iterator[Client]:
    with Client(base_url=sandbox_url, timeout=10) as made:
        made.control("/reset")
        yield made


@pytest.fixture
def people(client: Client) -> Client:
    """The client, with two phones: Anita (Hindi) and Ravi (English), both with Telegram."""
    client.control("/phones", phone=ANITA, name="अनीता", last_name="कुशवाहा", language="hi")
    client.control("/phones", phone=RAVI, name="Ravi", language="en")
    return client
