"""The HTTP edge: problem details, headers, limits, probes."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Form, Request
from pydantic import BaseModel

from shared.errors import Invalid, Throttled, Unavailable
from shared.telemetry import current_trace, new_registry
from shared.web import CSP, create_web


class Body(BaseModel):
    size: int


def application() -> FastAPI:
    async def broken() -> None:
        raise Unavailable

    web = create_web("test", new_registry(), {"database": broken}, body_limits={"/big": 3_000_000})

    @web.get("/throttled")
    async def throttled() -> None:
        raise Throttled(retry_after=30)

    @web.get("/invalid")
    async def invalid() -> None:
        raise Invalid(field="phone", hint="say it again")

    @web.get("/crash")
    async def crash() -> None:
        raise RuntimeError("phone +915550000210")

    @web.post("/small")
    @web.post("/big")
    async def size(request: Request) -> int:
        return len(await request.body())

    @web.post("/typed")
    async def typed(body: Body) -> int:
        return body.size

    @web.post("/form")
    async def form(size: Annotated[str, Form()]) -> int:
        return len(size)

    @web.get("/trace")
    async def trace() -> str | None:
        return current_trace.get()

    return web


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as session:
        yield session


async def test_a_failure_is_problem_details_with_its_status_and_headers(client: httpx.AsyncClient) -> None:
    response = await client.get("/throttled")
    assert (response.status_code, response.headers["retry-after"]) == (429, "30")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "throttled"


async def test_a_failure_names_the_field_and_gives_its_details(client: httpx.AsyncClient) -> None:
    body = (await client.get("/invalid")).json()
    assert (body["status"], body["field"], body["hint"]) == (422, "phone", "say it again")


async def test_a_crash_says_nothing_of_its_cause(client: httpx.AsyncClient) -> None:
    response = await client.get("/crash")
    assert response.status_code == 500
    assert response.json()["code"] == "crashed"
    assert "555" not in response.text


async def test_validation_errors_never_echo_the_input(client: httpx.AsyncClient) -> None:
    response = await client.post("/typed", json={"size": "call +915550000210"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "size"
    assert "555" not in response.text


@pytest.mark.parametrize(("path", "size", "status"), [("/small", 1_048_577, 413), ("/big", 2_000_000, 200)])
async def test_bodies_are_limited_by_path(client: httpx.AsyncClient, path: str, size: int, status: int) -> None:
    assert (await client.post(path, content=b"x" * size)).status_code == status


async def test_a_body_without_a_declared_length_is_limited_too(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    assert (await client.post("/small", content=endless())).status_code == 413


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_body_that_the_framework_parses_is_too_large_and_not_malformed(
    client: httpx.AsyncClient, kind: str
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="size"\r\n\r\n' if "multipart" in kind else b"size="
        for _ in range(20):
            yield b"1" * 100_000

    path = "/typed" if kind == "application/json" else "/form"
    response = await client.post(path, content=endless(), headers={"content-type": f"{kind}; boundary=b"})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert response.headers["content-security-policy"] == CSP


async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/throttled", "/trace", "/nowhere", "/health", "/crash"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"] == CSP
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")


async def test_ready_names_what_is_broken(client: httpx.AsyncClient) -> None:
    response = await client.get("/ready")
    assert response.status_code == 503
    assert response.json()["broken"] == {"database": "unavailable"}


async def test_a_trace_is_carried_on_for_who_holds_a_key_and_garbage_starts_a_new_one(
    client: httpx.AsyncClient,
) -> None:
    received = f"00-{'a' * 32}-{'b' * 16}-01"
    key = {"authorization": "Bearer some-key"}
    assert (await client.get("/trace", headers=key | {"traceparent": received})).json() == received
    for garbage in ("garbage", f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01", f"ff-{received[3:]}"):
        fresh = (await client.get("/trace", headers=key | {"traceparent": garbage})).json()
        assert fresh not in {garbage, None}


async def test_a_caller_from_outside_does_not_decide_the_trace(client: httpx.AsyncClient) -> None:
    received = f"00-{'a' * 32}-{'b' * 16}-00"
    assert (await client.get("/trace", headers={"traceparent": received})).json().split("-")[1] != "a" * 32
