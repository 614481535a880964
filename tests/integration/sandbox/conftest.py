"""A sandbox for the session, emptied before every test, and a client for it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.sandbox.process import own_port, sandbox

TOKEN = "7000000001:sandbox-token"
ACCOUNT = ("AC00000000000000000000000000005a5d", "sandbox-auth-token")
ANITA = "+915550000210"
RAVI = "+915550000447"


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
    with (
        own_port() as port,
        own_port() as nobody,  # answers do not go to who has the usual port on this machine
        sandbox(port, SANDBOX_INBOUND_URL=f"http://127.0.0.1:{nobody}/twilio/inbound") as url,
    ):
        yield url


@pytest.fixture
def client(sandbox_url: str) -> Iterator[Client]:
    with Client(base_url=sandbox_url, timeout=90) as made:
        made.control("/reset")
        yield made


@pytest.fixture
def people(client: Client) -> Client:
    """The client, with two phones: Anita (Hindi) and Ravi (English), both with Telegram."""
    client.control("/phones", phone=ANITA, name="अनीता", last_name="कुशवाहा", language="hi")
    client.control("/phones", phone=RAVI, name="Ravi", language="en")
    return client
