"""The running system as its users meet it: a recorder's API, the phones of the sandbox, the confirm page."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

NOTICE = {"version": "1", "language": "hi"}
Json = dict[str, Any]
CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
LINK = re.compile(r"https?://\S+/c/[A-Za-z0-9_-]+")
PATIENCE = 60.0
"""Seconds that anything may take to come about, and a service to answer; the sandbox waits no longer. No test is about
speed, and the machine may be busy."""


@dataclass(frozen=True)
class Appointee:
    """Somebody who cannot be real: +91 555 is no mobile series."""

    number: int

    @property
    def phone(self) -> str:
        """E.164."""
        return f"+91555{self.number:07d}"

    @property
    def name(self) -> dict[str, str]:
        """Different for every number, so that the same phone is the same person."""
        return {
            "hi": f"अनीता {_letters(self.number, 'कखगघचछजझटठ')}",
            "en": f"Anita {_letters(self.number, 'bcdfghjklm')}",
        }


def _letters(number: int, alphabet: str) -> str:
    return "".join(alphabet[int(digit)] for digit in f"{number:06d}")


class Away(AssertionError):
    """A service answered that it cannot now."""


class Client:
    """An HTTP client that is closed."""

    http: httpx.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


class Registry(Client):
    """What a recorder does."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {api_key}"}, timeout=PATIENCE)

    def record(self, unit: str, post: str, who: Appointee, *, key: str | None = None, **more: object) -> Json:
        """Record an appointment; fails the test on a refusal."""
        body = {
            "unit": unit,
            "post": post,
            "person": {"name": who.name, "gender": "female", "language": "hi"},
            "phone": who.phone,
            "notice": NOTICE,
            **more,
        }
        headers = {"idempotency-key": key} if key else {}
        return good(self.http.post("/v1/appointments", json=body, headers=headers))

    def load(self, units: str) -> None:
        """Import units and wait until they are there."""
        job = good(self.http.post("/v1/imports/units", params={"preset": "in-mp-2014"}, content=units.encode()))
        path = f"/v1/imports/{job['id']}"
        until(lambda: good(self.http.get(path))["state"] == "done", "the units are imported")

    def until_state(self, appointment: str, *states: str, timeout: float = PATIENCE) -> str:
        """Wait for one of `states`."""
        until(lambda: self.state(appointment) in states, f"state is one of {states}", timeout)
        return self.state(appointment)

    def until_delivered(self, appointment: str) -> None:
        """Wait until the registry has heard that the phone got the message."""

        def delivered() -> bool:
            return any(each["state"] == "delivered" for each in self.appointment(appointment)["deliveries"])

        until(delivered, "the delivery is shown")

    def appointment(self, appointment: str) -> Json:
        """As the API shows it."""
        return good(self.http.get(f"/v1/appointments/{appointment}"))

    def state(self, appointment: str) -> str:
        """Its state."""
        return str(self.appointment(appointment)["state"])

    def act(self, appointment: str, verb: str, **body: object) -> Json:
        """`phone`, `reissue` or `end`."""
        return good(self.http.post(f"/v1/appointments/{appointment}/{verb}", json=body))


class Phones(Client):
    """What people do with the phones of the sandbox."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=f"{url}/control", timeout=PATIENCE + 30)

    def add(self, who: Appointee, *, telegram: bool = True, **more: object) -> None:
        """A phone that is on."""
        body = {"phone": who.phone, "name": "Anita", "language": "hi", "telegram": telegram, **more}
        good(self.http.post("/phones", json=body))

    def sms(self, who: Appointee, contains: str = "", after: int = 0, timeout: float = PATIENCE) -> Json:
        """The first SMS behind `after` that holds `contains`."""
        return self._wait({"kind": "sms", "phone": who.phone, "contains": contains, "after": after}, timeout, "sms")

    def message(self, who: Appointee, contains: str = "", after: int = 0, timeout: float = PATIENCE) -> Json:
        """The first message of the bot behind `after` that holds `contains`."""
        query: dict[str, str | int] = {"kind": "chat", "phone": who.phone, "contains": contains, "after": after}
        return self._wait(query, timeout, "message")

    def post(self, chat_id: int, contains: str = "", timeout: float = PATIENCE) -> Json:
        """The first post of a channel that holds `contains`."""
        return self._wait({"kind": "channel", "chat_id": chat_id, "contains": contains}, timeout, "message")

    def _wait(self, query: Mapping[str, str | int], timeout: float, what: str) -> Json:
        found = good(self.http.get("/wait", params={**query, "timeout": timeout}))
        assert found["found"], f"nothing came within {timeout} s: {query}"
        item: Json = found[what]
        return item

    def do(self, who: Appointee, verb: str, **body: object) -> Json:
        """`start`, `text`, `contact`, `tap`, `reply`, `block` ..."""
        return good(self.http.post(f"/phones/{who.phone}/{verb}", json=body))

    def change(self, who: Appointee, **body: object) -> None:
        """Its state or its receipts."""
        good(self.http.patch(f"/phones/{who.phone}", json=body))

    def fault(self, **body: object) -> Json:
        """Switch a fault on."""
        return good(self.http.post("/faults", json=body))

    def sent(self) -> list[Json]:
        """Every SMS, oldest first."""
        messages: list[Json] = self.http.get("/sms", params={"limit": 50_000}).raise_for_status().json()
        return messages


class ConfirmPage:
    """The worker's page, as a browser without JavaScript uses it."""

    def __init__(self, link: str) -> None:
        parts = urlsplit(link)
        self.path = parts.path
        self.origin = f"{parts.scheme}://{parts.netloc}"

    def get(self, suffix: str = "") -> httpx.Response:
        """The page, whatever it says."""
        return fetch(self.origin + self.path + suffix)

    def post(self, suffix: str, **typed: str) -> httpx.Response:
        """Send a form of the page; follows the redirect as a browser does."""
        headers = {"origin": self.origin, "sec-fetch-site": "same-origin"}
        url = self.origin + self.path + suffix
        response = httpx.post(url, data=typed, headers=headers, follow_redirects=True, timeout=PATIENCE)
        if response.status_code >= 500:
            raise Away(response.text)
        return response

    @classmethod
    def of(cls, sms: Mapping[str, Any]) -> Self:
        """From the link in an SMS."""
        found = LINK.search(sms["body"])
        assert found, "no link in the SMS"
        return cls(found[0])

    def open(self, suffix: str = "") -> str:
        """The page."""
        response = self.get(suffix)
        if response.status_code >= 500:
            raise Away(response.text)
        assert response.status_code == 200, response.text
        return response.text

    def confirm(self, code: str) -> httpx.Response:
        """Type the code."""
        return self.post("", **dict(hidden_fields(self.open())), code=code)

    def refuse(self) -> httpx.Response:
        """Say: this is not me."""
        return self.post("/refuse", **dict(hidden_fields(self.open("/refuse"))))


def hidden_fields(page: str) -> Iterator[tuple[str, str]]:
    """Name and value of the hidden inputs of a page."""
    for tag in re.findall(r"<input[^>]*type=\"?hidden\"?[^>]*>", page):
        name, value = re.search(r"name=\"([^\"]*)\"", tag), re.search(r"value=\"([^\"]*)\"", tag)
        if name:
            yield name[1], value[1] if value else ""


def code_in(sms: Mapping[str, Any]) -> str:
    """The code of an SMS or chat message."""
    found = CODE.search(str(sms.get("body") or sms.get("text")))
    assert found, "no code in the message"
    return found[0]


def handle_in(sms: Mapping[str, Any]) -> str:
    """The handle of the link in an SMS."""
    found = LINK.search(sms["body"])
    assert found, "no link in the SMS"
    return found[0].rpartition("/")[2]


def fetch(url: str) -> httpx.Response:
    """GET, patiently."""
    return httpx.get(url, timeout=PATIENCE)


def good(response: httpx.Response) -> Json:
    """The JSON of a good response; a refusal fails the test with what it says."""
    if response.status_code >= 500:
        raise Away(f"{response.status_code} {response.text}")
    assert response.status_code < 400, f"{response.status_code} {response.text}"
    body: Json = response.json() if response.content else {}
    return body


def until(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Wait for a condition; fails the test with `what` did not come true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(0.05)
