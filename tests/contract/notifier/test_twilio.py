"""Our Twilio channel against Twilio's own package as oracle, and against providers that misbehave on the wire."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from services.notifier.app import texts
from services.notifier.channels import twilio as module
from services.notifier.channels.twilio import Account, Twilio, sign
from services.notifier.domain.failures import Class, SendFailure
from services.notifier.domain.message import Accepted, Outgoing
from shared.events import Lane, Reason
from tests.unit.notifier.letters import ID, NOW, PHONE, invitation

TOKEN = "12345678901234567890123456789012"
PUBLIC = "https://n.boothline.in"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause of this machine must not look like a provider that does not answer."""
    monkeypatch.setattr(module, "_TIMEOUT", aiohttp.ClientTimeout(total=120))


def account(base: str = "http://127.0.0.1:1", public: str = PUBLIC) -> Account:
    return Account("ACtest", TOKEN, "+15005550006", base, public, two_way=True)


def channel(session: aiohttp.ClientSession, base: str = "http://127.0.0.1:1", public: str = PUBLIC) -> Twilio:
    return Twilio(session, account(base, public), texts().write, lambda: NOW)


@asynccontextmanager
async def provider(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An HTTP server that answers every request so."""
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def outgoing(**more: Any) -> Outgoing:
    fields = {"address": PHONE, "body": "hello", "not_after": NOW + timedelta(seconds=540)}
    return Outgoing(ID, Lane.URGENT, 2, **{**fields, **more})


async def test_the_request_is_twilios_with_our_id_and_try_in_the_callback() -> None:
    seen: list[tuple[str, str, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode()))
        seen.append((request.path, request.headers["Authorization"], form))
        return web.json_response({"sid": "SM1", "num_segments": "3"}, status=201)

    async with provider(answer) as base, aiohttp.ClientSession() as session:
        accepted = await channel(session, base).send(outgoing())
    assert accepted == Accepted("SM1", 3)
    ((path, authorization, form),) = seen
    assert path == "/2010-04-01/Accounts/ACtest/Messages.json"
    assert base64.b64decode(authorization.split()[1]).decode() == f"ACtest:{TOKEN}"
    assert form == {
        "To": PHONE,
        "From": "+15005550006",
        "Body": "hello",
        "StatusCallback": f"{PUBLIC}/twilio/status/{ID}?try=2",
        "ValidityPeriod": "540",
    }


@pytest.mark.parametrize(("seconds", "period"), [(0.2, "1"), (540, "540"), (99_999, "36000")])
async def test_the_carrier_gets_as_long_as_the_code_lives_within_its_limits(seconds: float, period: str) -> None:
    async with aiohttp.ClientSession() as session:
        form = channel(session).form(outgoing(not_after=NOW + timedelta(seconds=seconds)))
    assert form["ValidityPeriod"] == period


@pytest.mark.parametrize(
    ("label", "status", "body", "kind", "reason"),
    [
        ("bad number", 400, {"code": 21211}, Class.PERMANENT, Reason.UNKNOWN_NUMBER),
        ("opted out", 400, {"code": 21610}, Class.STOP, Reason.OPTED_OUT),
        ("bad credential", 401, {"code": 20003}, Class.CONFIG, Reason.CONFIGURATION),
        ("too many", 429, {"code": 20429}, Class.THROTTLE, Reason.PROVIDER_DOWN),
        ("server error", 500, {"code": 20500}, Class.UNKNOWN, Reason.PROVIDER_DOWN),
        ("a page instead of JSON", 502, None, Class.UNKNOWN, Reason.PROVIDER_DOWN),
        ("201 without an id", 201, {"status": "queued"}, Class.UNKNOWN, Reason.PROVIDER_DOWN),
    ],
)
async def test_what_the_provider_answers(
    label: str, status: int, body: dict[str, Any] | None, kind: Class, reason: Reason
) -> None:
    async def answer(_: web.Request) -> web.Response:
        if body is None:
            return web.Response(text="<html>", status=status)
        return web.json_response(body, status=status, headers={"Retry-After": "4"})

    async with provider(answer) as base, aiohttp.ClientSession() as session:
        with pytest.raises(SendFailure) as caught:
            await channel(session, base).send(outgoing())
    assert (caught.value.kind, caught.value.reason) == (kind, reason), label
    assert PHONE[1:] not in str(caught.value)
    assert caught.value.retry_after == (4.0 if kind is Class.THROTTLE else None)


async def test_a_connection_that_is_refused_left_nothing_with_the_provider() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(SendFailure) as caught:
            await channel(session).send(outgoing())
    assert caught.value.kind is Class.RETRY


async def test_a_connection_that_breaks_after_the_request_is_a_doubt() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with provider(answer) as base, aiohttp.ClientSession() as session:
        with pytest.raises(SendFailure) as caught:
            await channel(session, base).send(outgoing())
    assert caught.value.kind is Class.UNKNOWN


async def test_an_answer_that_does_not_come_in_time_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    time = loop.time

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        asked.set()
        monkeypatch.setattr(loop, "time", lambda: time() + 300)  # its time is over now, and not before
        await asyncio.Event().wait()
        return web.Response()

    async with provider(answer) as base, aiohttp.ClientSession() as session:
        with pytest.raises(SendFailure) as caught:
            await channel(session, base).send(outgoing())
        assert asked.is_set()
    assert caught.value.kind is Class.UNKNOWN


def test_a_letter_becomes_a_text_with_its_parts() -> None:
    letter = invitation()
    sent = Twilio(None, account(), texts().write, lambda: NOW).render(letter)  # type: ignore[arg-type] # nothing is sent
    assert (sent.address, sent.tries, sent.message_id) == (PHONE, 1, ID)
    assert sent.parts == 3
    assert "482107" not in repr(sent)
    assert PHONE not in repr(sent)


PARAMS = [("MessageSid", "SM1"), ("From", PHONE), ("Body", "नहीं ४८२१०७ & more=1"), ("Empty", "")]


@pytest.mark.parametrize(
    "public", ["https://n.boothline.in", "https://n.boothline.in:8443", "http://127.0.0.1:8300", "https://n.in:443"]
)
@pytest.mark.parametrize("path", [f"/twilio/status/{ID}?try=1", "/twilio/inbound"])
def test_what_twilios_own_package_signs_is_taken_and_the_other_way_round(public: str, path: str) -> None:
    twilio = Twilio(None, account(public=public), texts().write, lambda: NOW)  # type: ignore[arg-type]
    oracle = RequestValidator(TOKEN)
    assert twilio.signed(path, PARAMS, oracle.compute_signature(public + path, dict(PARAMS)))
    assert oracle.validate(public + path, dict(PARAMS), sign(TOKEN, public + path, PARAMS))


def test_the_default_port_may_be_in_the_signed_url_or_not() -> None:
    twilio = Twilio(None, account(), texts().write, lambda: NOW)  # type: ignore[arg-type]
    for host in ("https://n.boothline.in", "https://n.boothline.in:443"):
        assert twilio.signed("/twilio/inbound", PARAMS, sign(TOKEN, f"{host}/twilio/inbound", PARAMS))


@pytest.mark.parametrize(
    ("path", "params", "token"),
    [
        (f"/twilio/status/{ID}?try=2", PARAMS, TOKEN),
        ("/twilio/inbound", PARAMS, TOKEN),
        (f"/twilio/status/{ID}?try=1", [*PARAMS, ("Extra", "1")], TOKEN),
        (f"/twilio/status/{ID}?try=1", PARAMS, "x" * 32),
    ],
)
def test_a_signature_is_for_this_url_these_parameters_and_this_token(
    path: str, params: list[tuple[str, str]], token: str
) -> None:
    twilio = Twilio(None, account(), texts().write, lambda: NOW)  # type: ignore[arg-type]
    signature = sign(token, PUBLIC + path, params)
    assert not twilio.signed(f"/twilio/status/{ID}?try=1", PARAMS, signature)
    for nonsense in ("", "é", "x" * 9_999):
        assert not twilio.signed(f"/twilio/status/{ID}?try=1", PARAMS, nonsense)
