"""The two APIs on the wire: how parameters may arrive, what a strict client sees."""

import json
import threading
from typing import Any

import httpx
import pytest

from tests.integration.sandbox.conftest import ACCOUNT, ANITA, TOKEN, Client


def started(client: Client, phone: str = ANITA) -> int:
    client.control(f"/phones/{phone}/start", payload="")
    return int(client.control(f"/phones/{phone}", "GET")["telegram"]["user_id"])


def test_parameters_arrive_as_query_form_multipart_and_json_and_methods_in_any_case(people: Client) -> None:
    chat_id = started(people)
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
    url = f"/bot{TOKEN}/SENDmessage"
    form = {"chat_id": str(chat_id), "text": "hello", "reply_markup": json.dumps(keyboard)}
    answers = [
        people.get(url, params=form),
        people.post(url, data=form),
        people.post(url, files={k: (None, v) for k, v in form.items()}),
        people.post(url, json=form | {"reply_markup": keyboard}),
    ]
    for answer in answers:
        assert answer.json()["result"]["reply_markup"] == keyboard


def test_a_file_is_taken_and_not_kept(people: Client) -> None:
    chat_id = started(people)
    answer = people.post(f"/bot{TOKEN}/sendPhoto", data={"chat_id": chat_id}, files={"photo": ("x.png", b"png")})
    assert answer.json()["result"]["photo"][0]["file_id"]


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        ("/botnonsense/getMe", 404, "Not Found"),
        ("/bot1:abc/inventMoney", 404, "Not Found: method not found"),
        ("/bot1:abc/sendMessage?chat_id=1&text=x", 400, "Bad Request: chat not found"),
        ("/bot1:abc/sendMessage?text=x", 400, "Bad Request: chat_id is empty"),
    ],
)
def test_what_the_bot_api_does_not_know_is_never_ok(client: Client, path: str, status: int, description: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (
        status,
        {"ok": False, "error_code": status, "description": description},
    )


def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    answer = client.post(f"/bot{TOKEN}/getMe", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.json()["description"] == "Bad Request: Can't parse request JSON object"


def test_a_long_poll_is_answered_within_its_time(client: Client) -> None:
    assert client.bot("getUpdates", timeout=0) == {"ok": True, "result": []}
    answers: list[Any] = []
    poll = threading.Thread(target=lambda: answers.append(client.bot("getUpdates", timeout=30)["result"]))
    poll.start()
    client.control("/phones", phone=ANITA, name="Anita")
    client.control(f"/phones/{ANITA}/text", text="hello")
    poll.join(timeout=90)
    assert answers
    assert answers[0][0]["message"]["text"] == "hello"


def test_the_messages_api_answers_in_twilios_shape(client: Client) -> None:
    answer = client.sms(ANITA, "code 482107")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["num_segments"], body["direction"], body["error_code"]) == ("1", "outbound-api", None)
    assert body["uri"] == f"/2010-04-01/Accounts/{ACCOUNT[0]}/Messages/{body['sid']}.json"
    refused = client.sms("12", "x").json()
    assert refused == {
        "code": 21211,
        "message": "Invalid 'To' Phone Number: 12",
        "more_info": "https://www.twilio.com/docs/errors/21211",
        "status": 400,
    }


@pytest.mark.parametrize("auth", [None, (ACCOUNT[0], "wrong"), ("AC1", ACCOUNT[1])])
def test_without_the_accounts_credentials_nothing_is_sent(client: Client, auth: Any) -> None:
    url = f"/2010-04-01/Accounts/{ACCOUNT[0]}/Messages.json"
    answer = client.post(url, data={"To": ANITA, "From": "BL-BOOTHL", "Body": "x"}, auth=auth)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert client.control("/sms", "GET") == []


def test_a_throttled_send_says_when_to_come_again(client: Client) -> None:
    client.control("/faults", api="sms", status=429, retry_after=3)
    answer = client.sms(ANITA, "x")
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (429, "3", 20429)


@pytest.mark.parametrize(("stage", "taken"), [("before", 0), ("after", 1)])
def test_a_reset_leaves_the_caller_without_any_answer(client: Client, stage: str, taken: int) -> None:
    client.control("/faults", api="sms", reset=True, stage=stage)
    with pytest.raises(httpx.ReadError):
        client.sms(ANITA, "x", StatusCallback="http://127.0.0.1:1/s?message=m-7")
    assert client.control("/sms/counts?parameter=message", "GET") == ({"m-7": 1} if taken else {})


def test_openapi_describes_the_control_api(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/control/phones", "/control/wait", "/control/faults", "/control/seed"} <= set(paths)
    assert not any(path.startswith("/bot") for path in paths)


def test_a_misspelt_field_and_a_fault_that_does_nothing_are_refused(client: Client) -> None:
    assert client.post("/control/faults", json={"api": "sms", "reste": True}).status_code == 422
    assert client.post("/control/faults", json={"api": "sms"}).status_code == 422
    assert client.post("/control/phones", json={"phone": "abc", "name": "x"}).json()["code"] == "not_a_phone"


def test_a_seed_can_be_repeated(client: Client) -> None:
    seed: dict[str, Any] = {
        "phones": [{"phone": f"+9155500{n:05d}", "name": f"Person {n}"} for n in range(60)],
        "channels": [{"title": "Booth 223", "chat_id": -1001000000223}],
    }
    assert client.control("/seed", **seed)["result"] == "61"
    assert client.control("/seed", **seed)["result"] == "0"
    assert client.control("/channels/-1001000000223", "GET")["title"] == "Booth 223"


def test_reset_forgets_everything(people: Client) -> None:
    started(people)
    people.sms(ANITA, "x")
    people.control("/reset")
    assert people.control("/phones", "GET") == []
    assert people.control("/sms", "GET") == []
    assert people.bot("getUpdates")["result"] == []
