"""The Telegram Gateway: codes by phone number."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.integration.sandbox.conftest import ANITA, Client

TOKEN = "gateway-token"


def call(client: Client, method: str, **params: Any) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return client.post(f"/gateway/{method}", json=params, headers=headers).json()


@pytest.fixture
def reports() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]], threading.Event]]:
    """A callback URL, what came to it, and an event that is set when something came."""
    got: list[tuple[dict[str, str], bytes]] = []
    came = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/report", got, came
    server.shutdown()
    thread.join()
    server.server_close()


def test_our_own_code_is_delivered_and_reported_signed(
    people: Client, reports: tuple[str, list[tuple[dict[str, str], bytes]], threading.Event]
) -> None:
    url, got, came = reports
    sent = call(people, "sendVerificationMessage", phone_number=ANITA, code="482107", callback_url=url, payload="m-1")
    assert sent["result"]["delivery_status"]["status"] == "delivered"
    assert people.control(f"/phones/{ANITA}/codes", "GET")[0]["code"] == "482107"
    assert came.wait(60)
    headers, body = got[0]
    message = headers["x-request-timestamp"].encode() + b"\n" + body
    expected = hmac.new(hashlib.sha256(TOKEN.encode()).digest(), message, hashlib.sha256).hexdigest()
    assert headers["x-request-signature"] == expected
    assert json.loads(body)["payload"] == "m-1"


def test_a_code_is_checked_and_five_wrong_ones_end_it(people: Client) -> None:
    request = call(people, "sendVerificationMessage", phone_number=ANITA, code="482107")["result"]["request_id"]
    said = [
        call(people, "checkVerificationStatus", request_id=request, code=code)["result"]["verification_status"][
            "status"
        ]
        for code in ["000000"] * 5 + ["482107"]
    ]
    assert said == ["code_invalid"] * 5 + ["code_max_attempts_exceeded"]
    other = call(people, "sendVerificationMessage", phone_number=ANITA, code_length=6)["result"]["request_id"]
    code = people.control(f"/phones/{ANITA}/codes", "GET")[-1]["code"]
    checked = call(people, "checkVerificationStatus", request_id=other, code=code)["result"]
    assert checked["verification_status"]["status"] == "code_valid"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"phone_number": "12"}, "PHONE_NUMBER_INVALID"),
        ({"phone_number": "+915550099999", "code": "1234"}, "PHONE_NUMBER_NOT_AVAILABLE"),
        ({"phone_number": ANITA, "code": "12"}, "CODE_INVALID"),
        ({"phone_number": ANITA, "code_length": 9}, "CODE_LENGTH_INVALID"),
        ({"phone_number": ANITA, "code": "1234", "ttl": 5}, "TTL_INVALID"),
        ({"phone_number": ANITA, "code": "1234", "payload": "x" * 129}, "PAYLOAD_INVALID"),
    ],
)
def test_what_the_gateway_refuses_is_refused(people: Client, params: dict[str, Any], error: str) -> None:
    refused = call(
        people, "sendVerificationMessage", **{"code": "1234", **params} if "code_length" not in params else params
    )
    assert refused == {"ok": False, "error": error}


def test_a_check_is_paid_once_and_its_request_can_be_used_and_revoked(people: Client) -> None:
    checked = call(people, "checkSendAbility", phone_number=ANITA)["result"]
    sent = call(people, "sendVerificationMessage", phone_number=ANITA, code="4821", request_id=checked["request_id"])[
        "result"
    ]
    assert sent["request_id"] == checked["request_id"]
    revoked = call(people, "revokeVerificationMessage", request_id=sent["request_id"])["result"]
    assert revoked["delivery_status"]["status"] == "revoked"
    assert call(people, "checkVerificationStatus", request_id="x") == {"ok": False, "error": "REQUEST_ID_INVALID"}
    assert people.post("/gateway/checkSendAbility", json={}).json()["error"] == "ACCESS_TOKEN_REQUIRED"
