"""Twilio's own package sends through the carrier and accepts its signatures; receipts and replies come as set."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from services.sandbox.settings import Settings
from tests.contract.sandbox.conftest import ANITA, Control

SENDER = "BL-BOOTHL"


class Receiver:
    """A caller's webhooks: keeps what came, refuses the first `refusals` of it."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], str]] = []
        self.refusals = 0
        self.url = ""
        self._changed = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text(), keep_blank_values=True))
        self.got.append((self.url + request.path_qs.lstrip("/"), form, request.headers["X-Twilio-Signature"]))
        self._changed.set()
        self.refusals -= 1
        return web.Response(status=503 if self.refusals >= 0 else 204)

    async def until(self, count: int) -> list[dict[str, str]]:
        async with asyncio.timeout(60):
            while len(self.got) < count:
                self._changed.clear()
                await self._changed.wait()
        return [form for _, form, _ in self.got]

    def statuses(self) -> list[str]:
        return [form["MessageStatus"] for _, form, _ in self.got]


@pytest.fixture
async def receiver(settings: Settings) -> AsyncIterator[Receiver]:
    """Listens where phones' answers go."""
    made, app = Receiver(), web.Application()
    app.router.add_post("/{tail:.*}", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    made.url = settings.inbound_url.removesuffix("twilio/inbound")
    await web.TCPSite(runner, "127.0.0.1", urlsplit(made.url).port, reuse_address=True).start()
    yield made
    await runner.cleanup()


class Loopback(HttpClient):  # type: ignore[misc] # the package has no stubs
    """The package's HTTP client, pointed at the sandbox: sync on its side, aiohttp on ours."""

    def __init__(self, base: str) -> None:
        super().__init__(None, False, None)
        self.base, self.sent = base, 0

    def request(self, method: str, url: str, **call: Any) -> Response:
        """One call in a loop of its own; the tests call the package in a thread."""
        self.sent += 1
        return asyncio.run(self._request(method, url.replace("https://api.twilio.com", self.base), call))

    async def _request(self, method: str, url: str, call: dict[str, Any]) -> Response:
        headers = {"Authorization": aiohttp.encode_basic_auth(*call["auth"])}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, url, params=call["params"], data=call["data"]) as answer,
        ):
            return Response(answer.status, await answer.text(), answer.headers)


@pytest.fixture
def client(url: str, settings: Settings) -> Client:
    token = settings.twilio_auth_token.get_secret_value()
    return Client(settings.twilio_account_sid, token, http_client=Loopback(url))


async def send(client: Client, receiver: Receiver | None = None, **fields: Any) -> Any:
    callback = {"status_callback": f"{receiver.url}twilio/status?message=m-1&x=%2B"} if receiver else {}
    given: dict[str, Any] = {"to": ANITA, "from_": SENDER, "body": "code 482107"} | callback | fields
    return await asyncio.to_thread(lambda: client.messages.create(**given))


async def test_the_twilio_package_sends_and_reads_the_answer(client: Client, control: Control) -> None:
    sent = await send(client, body="नमस्ते " * 12)
    assert (sent.status, sent.to, sent.from_, sent.num_segments) == ("queued", ANITA, SENDER, "2")
    assert sent.sid.startswith("SM")
    assert len(sent.sid) == 34
    assert sent.date_created is not None
    found = await control.get("/wait", kind="sms", phone=ANITA, contains="नमस्ते")
    assert (found["sms"]["sid"], found["sms"]["parts"]) == (sent.sid, 2)
    fetched = await asyncio.to_thread(lambda: client.messages(sent.sid).fetch())
    assert fetched.sid == sent.sid
    listed = await asyncio.to_thread(lambda: client.messages.list(to=ANITA, limit=5))
    assert [m.sid for m in listed] == [sent.sid]


async def test_receipts_are_signed_over_the_exact_callback_url(
    client: Client, control: Control, receiver: Receiver, settings: Settings
) -> None:
    sent = await send(client, receiver)
    forms = await receiver.until(2)
    assert receiver.statuses() == ["sent", "delivered"]
    assert {f["MessageSid"] for f in forms} == {sent.sid}
    validator = RequestValidator(settings.twilio_auth_token.get_secret_value())
    for url, form, signature in receiver.got:
        assert url.endswith("twilio/status?message=m-1&x=%2B")
        assert validator.validate(url, form, signature)
        assert not validator.validate(url, form | {"MessageStatus": "failed"}, signature)
    kept = (await control.get("/sms", to=ANITA))[0]
    assert kept["query"] == {"message": "m-1", "x": "+"}
    assert (await control.get("/sms/counts", parameter="message")) == {"m-1": 1}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("normal", ["sent", "delivered"]),
        ("late", ["sent", "delivered"]),
        ("twice", ["sent", "sent", "delivered", "delivered"]),
        ("out_of_order", ["delivered", "sent"]),
    ],
)
async def test_receipts_come_as_the_phone_is_set(
    client: Client, control: Control, receiver: Receiver, rule: str, expected: list[str]
) -> None:
    await control.put("/carrier", receipts="normal", delay=0.02, late_by=0.2)
    await control.patch(f"/phones/{ANITA}", receipts=rule)
    await send(client, receiver)
    await receiver.until(len(expected))
    assert receiver.statuses() == expected
    assert (await control.get("/sms"))[0]["status"] == "delivered"


async def test_early_receipts_come_before_the_answer(client: Client, control: Control, receiver: Receiver) -> None:
    await control.put("/carrier", receipts="early")
    sent = await send(client, receiver)
    assert receiver.statuses() == ["sent", "delivered"]
    assert sent.status == "queued"


async def test_an_early_receipt_that_is_refused_comes_again_later(
    client: Client, control: Control, receiver: Receiver
) -> None:
    await control.put("/carrier", receipts="early")
    receiver.refusals = 1
    await send(client, receiver)
    await receiver.until(3)
    assert sorted(receiver.statuses()) == ["delivered", "sent", "sent"]


@pytest.mark.parametrize(("state", "code"), [("dead", "30005"), ("blocked", "30004"), ("unreachable", "30003")])
async def test_a_phone_that_cannot_be_reached_is_reported_undelivered(
    client: Client, control: Control, receiver: Receiver, state: str, code: str
) -> None:
    await control.patch(f"/phones/{ANITA}", state=state)
    await send(client, receiver)
    forms = await receiver.until(2)
    assert (forms[-1]["MessageStatus"], forms[-1]["ErrorCode"]) == ("undelivered", code)


async def test_a_phone_that_is_off_and_a_rule_of_never_get_no_final_receipt(
    client: Client, control: Control, receiver: Receiver
) -> None:
    await control.put("/carrier", receipts="never")
    silent = await send(client, receiver)
    await control.put("/carrier", receipts="normal", delay=0.02)
    await control.patch(f"/phones/{ANITA}", state="off")
    off = await send(client, receiver)
    await control.patch(f"/phones/{ANITA}", state="on")
    last = await send(client, receiver)
    await receiver.until(3)
    got = [(form["MessageSid"], form["MessageStatus"]) for _, form, _ in receiver.got]
    assert sorted(got) == sorted([(off.sid, "sent"), (last.sid, "sent"), (last.sid, "delivered")])
    assert silent.sid not in {sid for sid, _ in got}


async def test_a_receipt_that_is_refused_comes_again(client: Client, receiver: Receiver, control: Control) -> None:
    receiver.refusals = 2
    await send(client, receiver)
    await receiver.until(4)
    assert receiver.statuses() == ["sent", "sent", "sent", "delivered"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "12345"}, 21211),
        ({"to": "+91abc"}, 21211),
        ({"from_": "NOT-OURS"}, 21606),
        ({"body": "x" * 1601}, 21617),
        ({"body": ""}, 21602),
        ({"status_callback": "ftp://x"}, 21609),
    ],
)
async def test_a_send_that_twilio_refuses_is_refused_with_its_code(
    client: Client, control: Control, fields: dict[str, Any], code: int
) -> None:
    with pytest.raises(TwilioRestException) as caught:
        await send(client, **fields)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert await control.get("/sms") == []


@pytest.mark.parametrize(("state", "code"), [("landline", 21614), ("opted_out", 21610)])
async def test_a_phone_that_takes_no_sms_is_refused_at_once(
    client: Client, control: Control, state: str, code: int
) -> None:
    await control.patch(f"/phones/{ANITA}", state=state)
    with pytest.raises(TwilioRestException) as caught:
        await send(client)
    assert caught.value.code == code


async def test_a_wrong_token_is_refused(url: str, settings: Settings) -> None:
    client = Client(settings.twilio_account_sid, "wrong", http_client=Loopback(url))
    with pytest.raises(TwilioRestException) as caught:
        await send(client)
    assert (caught.value.status, caught.value.code) == (401, 20003)


@pytest.mark.parametrize(
    ("fault", "code", "accepted"),
    [
        ({"status": 429}, 20429, 0),
        ({"status": 503}, 20500, 0),
        ({"status": 500, "stage": "after"}, 20500, 1),
        ({"status": 400, "code": 21612, "description": "unroutable"}, 21612, 0),
    ],
)
async def test_a_fault_answers_with_its_error_before_or_after_accepting(
    client: Client, control: Control, fault: dict[str, Any], code: int, accepted: int
) -> None:
    await control.post("/faults", api="sms", target=ANITA, **fault)
    with pytest.raises(TwilioRestException) as caught:
        await send(client)
    assert (caught.value.status, caught.value.code) == (fault["status"], code)
    assert len(await control.get("/sms")) == accepted
    await send(client)
    assert len(await control.get("/sms")) == accepted + 1


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        ({"reset": True}, 0),
        ({"reset": True, "stage": "after"}, 1),
        ({"hang": 0.05}, 0),
        ({"hang": 0.05, "stage": "after"}, 1),
    ],
)
async def test_a_broken_connection_does_not_say_whether_the_message_was_taken(
    client: Client, control: Control, receiver: Receiver, fault: dict[str, Any], accepted: int
) -> None:
    await control.post("/faults", api="sms", **fault)
    with pytest.raises(aiohttp.ClientConnectionError):
        await send(client, receiver)
    assert (await control.get("/sms/counts", parameter="message")) == ({"m-1": 1} if accepted else {})
    assert (await control.get("/calls", line="sms"))[0]["status"] == 0
    if accepted:
        await receiver.until(2)


async def test_a_reply_is_posted_signed_to_the_inbound_url_until_it_is_taken(
    client: Client, control: Control, receiver: Receiver, settings: Settings
) -> None:
    await send(client)
    receiver.refusals = 2
    await control.post(f"/phones/{ANITA}/reply", text="482107")
    forms = await receiver.until(3)
    assert forms[0] == forms[1] == forms[2]
    assert (forms[0]["From"], forms[0]["To"], forms[0]["Body"]) == (ANITA, SENDER, "482107")
    validator = RequestValidator(settings.twilio_auth_token.get_secret_value())
    assert all(validator.validate(settings.inbound_url, form, signature) for _, form, signature in receiver.got)
    inbox = await control.get(f"/phones/{ANITA}/sms")
    assert [m["inbound"] for m in inbox["messages"]] == [False, True]
    assert inbox["latest"]["body"] == "code 482107"


async def test_stop_opts_out_and_start_opts_in_again(client: Client, control: Control, receiver: Receiver) -> None:
    await send(client)
    await control.post(f"/phones/{ANITA}/reply", text="STOP")
    assert (await receiver.until(1))[0]["OptOutType"] == "STOP"
    with pytest.raises(TwilioRestException) as caught:
        await send(client)
    assert caught.value.code == 21610
    await control.post(f"/phones/{ANITA}/reply", text="start")
    await receiver.until(2)
    await send(client)


async def test_an_unknown_number_becomes_a_phone_that_can_be_waited_for(client: Client, control: Control) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(control.get("/wait", kind="sms", phone="+915550009999", timeout=50))
        await send(client, to="+915550009999")
    assert waiting.result()["sms"]["body"] == "code 482107"
    assert (await control.get("/phones/+915550009999"))["telegram"] is None
