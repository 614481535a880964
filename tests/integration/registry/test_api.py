"""The HTTP edge: keys, problem details, shapes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.registry.api import BODY_LIMITS, routes
from services.registry.api.imports import Desk
from services.registry.api.portal.rendering import LOCALE
from services.registry.service.gate import RECORDER
from shared.i18n import load
from shared.lifecycle import Tasks
from shared.telemetry import new_registry
from shared.web import create_web
from tests.integration.registry.conftest import NOW, Registry

BODY: dict[str, Any] = {
    "unit": "1-1",
    "post": "president",
    "person": {"name": {"hi": "सुनीता परमार", "en": "Sunita Parmar"}, "gender": "female", "language": "hi"},
    "phone": "+91 555 000 0001",
    "notice": {"version": "2026-11", "language": "hi"},
}
PERSONAL = ("5550000001", "555 000 0001", "Parmar", "परमार")


@pytest.fixture
async def web(registry: Registry) -> AsyncIterator[FastAPI]:
    async with Tasks() as tasks:
        made = create_web("registry", new_registry(), {}, body_limits=BODY_LIMITS)
        made.include_router(
            routes(registry.service, lambda: NOW, Desk(registry.service.importing, tasks), load(LOCALE))
        )
        yield made


@pytest.fixture
async def http(registry: Registry, web: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    api_key = await registry.service.gate.issue_key(registry.settings.organisation_id, RECORDER, NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(web),
        base_url="http://registry",
        headers={"authorization": f"Bearer {api_key}"},
    ) as client:
        yield client


async def test_every_route_refuses_without_a_key_and_with_a_wrong_one(web: FastAPI) -> None:
    paths = web.openapi()["paths"]
    asked = [(method, path) for path, item in paths.items() for method in item if path.startswith("/v1")]
    assert len(asked) >= 15
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://registry") as client:
        for method, path in asked:
            path = path.replace("{appointment_id}", "x").replace("{code}", "x")  # noqa: PLW2901
            for headers in ({}, {"authorization": "Bearer bl_wrong"}, {"authorization": "Basic bl_wrong"}):
                answer = await client.request(method.upper(), path, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "bad_api_key"), (method, path)


async def test_a_key_without_the_permission_is_refused(registry: Registry, http: httpx.AsyncClient) -> None:
    await registry.run("UPDATE api_key SET scopes = ARRAY['read']")
    answer = await http.post("/v1/appointments", json=BODY)
    assert (answer.status_code, answer.json()["code"], answer.json()["permission"]) == (403, "not_permitted", "record")
    await registry.run("UPDATE api_key SET revoked_at = now()")
    assert (await http.get("/v1/units")).status_code == 401


async def test_an_appointment_is_recorded_and_shown_without_name_or_phone(http: httpx.AsyncClient) -> None:
    created = await http.post("/v1/appointments", json=BODY)
    assert created.status_code == 201
    shown = await http.get(f"/v1/appointments/{created.json()['id']}")
    assert shown.json()["appointee"] == {"hi": "सुनीता प.", "en": "Sunita P."}
    assert shown.json()["phone"] == "*******001"
    unit = await http.get("/v1/units/1-1")
    assert unit.json()["posts"][0]["held"][0]["appointee"]["en"] == "Sunita P."
    for personal in PERSONAL:
        assert personal not in created.text + shown.text + unit.text


async def test_double_submit_gets_the_same_answer_and_another_body_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "abc"}
    answers = await asyncio.gather(*(http.post("/v1/appointments", json=BODY, headers=headers) for _ in range(4)))
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    other = await http.post("/v1/appointments", json=BODY | {"unit": "1-2"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"unit": "9-9"}, 422, "unknown_unit", "unit"),
        ({"post": "king"}, 422, "unknown_post", "post"),
        ({"phone": "12"}, 422, "not_a_phone", "phone"),
        ({"phone": "01123456789"}, 422, "not_a_mobile", "phone"),
        ({"person": {"name": {}}}, 422, "name_missing", "name"),
        ({"person": {"name": {"hi": "jkts'k"}}}, 422, "name_legacy_font", "name.hi"),
        ({"notice": {"version": "", "language": "hi"}}, 422, "notice_missing", "notice"),
        ({"notice": {"version": "1", "language": "fr"}}, 422, "language_unknown", "notice.language"),
        ({"notice": {"version": "1", "language": "hi", "at": "2027-01-01T00:00:00Z"}}, 422, "notice_time", "notice.at"),
    ],
)
async def test_bad_input_is_a_typed_problem_with_its_field(
    http: httpx.AsyncClient, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = await http.post("/v1/appointments", json=BODY | change)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field)


async def test_nothing_is_recorded_without_a_notice(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/appointments", json={k: v for k, v in BODY.items() if k != "notice"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "notice")


async def test_an_occupied_seat_and_a_shared_phone_are_conflicts_without_names(http: httpx.AsyncClient) -> None:
    first = (await http.post("/v1/appointments", json=BODY)).json()
    other = BODY | {"person": {"name": {"en": "Asha Rai"}}, "phone": "+915550000002"}
    taken = await http.post("/v1/appointments", json=other)
    assert (taken.status_code, taken.json()["code"], taken.json()["appointment"]) == (409, "seat_taken", first["id"])
    shared = await http.post("/v1/appointments", json=other | {"unit": "1-2", "phone": BODY["phone"]})
    assert (shared.status_code, shared.json()["code"], shared.json()["field"]) == (409, "phone_shared", "phone")
    for personal in PERSONAL:
        assert personal not in taken.text + shared.text


async def test_misspelled_fields_are_errors_and_input_is_not_echoed(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/appointments", json=BODY | {"shared_fone": "Sunita Parmar"})
    assert answer.status_code == 422
    assert "Parmar" not in answer.text


async def test_correct_reissue_and_end_by_http(registry: Registry, http: httpx.AsyncClient) -> None:
    path = f"/v1/appointments/{(await http.post('/v1/appointments', json=BODY)).json()['id']}"
    corrected = await http.post(f"{path}/phone", json={"phone": "05550000002", "version": 1})
    assert (corrected.status_code, corrected.json()["cycle"], corrected.json()["phone"]) == (200, 2, "*******002")
    refused = await http.post(f"{path}/reissue")
    assert (refused.status_code, refused.json()["code"], refused.json()["state"]) == (
        409, "cannot_reissue", "recorded",
    )  # fmt: skip
    await registry.run("UPDATE appointment SET state = 'locked'")
    assert (await http.post(f"{path}/reissue")).json()["cycle"] == 3
    stale = await http.post(f"{path}/end", json={"reason": "removed", "version": 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale")
    assert (await http.post(f"{path}/end", json={"reason": "removed"})).json()["state"] == "ended"


async def test_units_are_searched_by_code_parent_and_level_in_pages(http: httpx.AsyncClient) -> None:
    found = (await http.get("/v1/units", params={"parent": "ac-1", "limit": 2})).json()
    assert [unit["code"] for unit in found["units"]] == ["1-1", "1-2"]
    following = (await http.get("/v1/units", params={"parent": "ac-1", "limit": 2, "after": found["next"]})).json()
    assert ([unit["code"] for unit in following["units"]], following["next"]) == (["1-3"], None)
    assert [u["code"] for u in (await http.get("/v1/units", params={"level": "state"})).json()["units"]] == ["mp"]
    assert (await http.get("/v1/units", params={"code": "%"})).json()["units"] == []
    unit = (await http.get("/v1/units/1-1")).json()
    assert (unit["seats"], unit["women"]) == (12, {"verified": 0, "minimum": 3, "missing": 3})
    missing = await http.get("/v1/units/9-9")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_unit")


async def test_channel_and_subscriptions(registry: Registry, http: httpx.AsyncClient) -> None:
    assert (await http.put("/v1/units/1-1/channel", json={"chat_id": -100123})).status_code == 204
    assert (await http.put("/v1/units/1-1/channel", json={"chat_id": None})).status_code == 204
    somebody = {"name": {"en": "Asha Rai"}, "phone": "+915550000003", "language": "en"}
    for _ in range(2):
        assert (await http.post("/v1/units/1-1/subscriptions", json=somebody)).status_code == 204
    assert len(await registry.rows("SELECT 1 FROM subscription")) == 1
    gone = {"phone": "+915550000003"}
    assert (await http.request("DELETE", "/v1/units/1-1/subscriptions", json=gone)).status_code == 204
    again = await http.request("DELETE", "/v1/units/1-1/subscriptions", json=gone)
    assert (again.status_code, again.json()["code"]) == (404, "not_subscribed")


async def test_a_body_of_ten_megabytes_is_too_large(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/appointments", content=b"x" * 10_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def finished(http: httpx.AsyncClient, kind: str, data: bytes, **query: str) -> dict[str, Any]:
    answer = await http.post(f"/v1/imports/{kind}", content=data, params=query)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    async with asyncio.timeout(60):
        while job["state"] == "running":
            await asyncio.sleep(0.02)
            job = (await http.get(f"/v1/imports/{job['id']}")).json()
    return job


HEADER = "unit,post,name_hi,name_en,phone,notice_version,notice_language,external_ref"
GOOD = "1-1,president,सुनीता परमार,Sunita Parmar,+915550000001,1,hi,A-1"


async def test_appointments_are_imported_in_mode_invite_and_again_unchanged(
    registry: Registry, http: httpx.AsyncClient
) -> None:
    text = f"{HEADER}\n{GOOD}\n1-2,president,,Asha Rai,05550000002,1,en,\n".encode("utf-8-sig")
    job = await finished(http, "appointments", text)
    assert (job["state"], job["rows"], job["accepted"], job["rejected"]) == ("done", 2, 2, 0)
    assert (job["bytes"], job["total_bytes"]) == (len(text), len(text))
    assert {row["mode"] for row in await registry.rows("SELECT mode FROM appointment")} == {"invite"}
    again = await finished(http, "appointments", text)
    assert (again["accepted"], again["unchanged"], again["rejected"]) == (0, 2, 0)
    assert len(await registry.events()) == 2


async def test_a_reject_file_is_corrected_and_uploaded_as_it_is(registry: Registry, http: httpx.AsyncClient) -> None:
    rows = [
        GOOD,
        "9-9,president,,Asha Rai,+915550000002,1,hi,A-2",
        "1-2,president,jkts'k,=Asha,9.87654E+09,1,hi,A-3",
        "1-1,president,,Other Person,+915550000004,1,hi,A-4",
        "1-3,president,,Sunita Other,+915550000001,1,hi,A-5",
        "1-3,president,,Late Notice,+915550000005,,hi,A-6",
    ]
    job = await finished(http, "appointments", "\n".join([HEADER, *rows]).encode())
    assert (job["accepted"], job["rejected"]) == (1, 5)
    assert {problem["code"]: problem["rows"] for problem in job["problems"]} == {
        "unknown_unit": 1, "name_legacy_font": 1, "phone_scientific": 1, "seat_taken": 1, "phone_shared": 1,
        "notice_missing": 1,
    }  # fmt: skip
    answer = await http.get(f"/v1/imports/{job['id']}/rejects.csv", params={"language": "hi"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    text = answer.content.decode("utf-8-sig")
    lines = text.splitlines()
    assert lines[0] == f"{HEADER},_row,_code,_message"
    assert len(lines) == 6
    assert "'+915550000002" in lines[1]
    assert ",3,unknown_unit," in lines[1]
    assert "name_legacy_font phone_scientific" in lines[2]
    fixed = (
        text.replace("9-9,", "1-2,").replace("jkts'k,'=Asha,9.87654E+09", ",Asha,+915550000003")
        .replace("1-2,president,,Asha,", "1-2,member,,Asha,").replace("1-1,president,,Other", "1-1,member,,Other")
        .replace("1-3,president,,Sunita Other,'+915550000001", "1-3,member,,Sunita Other,+915550000006")
        .replace("'+915550000005,,hi", "+915550000005,1,hi")
    )  # fmt: skip
    after = await finished(http, "appointments", fixed.encode("utf-8-sig"))
    assert (after["accepted"], after["rejected"]) == (5, 0), after


async def test_rejected_rows_lie_encrypted(registry: Registry, http: httpx.AsyncClient) -> None:
    row = "9-9,president,,Asha Rai,+915550000002,1,hi,A-2"
    await finished(http, "appointments", f"{HEADER}\n{row}\n".encode())
    [kept] = await registry.rows("SELECT to_jsonb(r)::text AS row, cells FROM import_reject r")
    assert b"Asha" not in kept["cells"]
    assert "5550000002" not in kept["row"]


async def test_an_import_with_wrong_columns_says_which_in_both_languages(http: httpx.AsyncClient) -> None:
    job = await finished(http, "appointments", b"unit,post,name_en,phone\n1-1,president,A,1\n")
    assert (job["state"], job["problem_code"]) == ("failed", "wrong_columns")
    assert "notice_version, notice_language" in job["problem"]
    hindi = (await http.get(f"/v1/imports/{job['id']}", params={"language": "hi"})).json()
    assert "notice_version, notice_language" in hindi["problem"]


async def test_units_are_imported_by_http(http: httpx.AsyncClient) -> None:
    data = b"district,ac_no,ac_name,part_no,booth_name\nSheopur,7,Sheopur,1,Khirakhiri\n"
    job = await finished(http, "units", data, preset="in-mp-2014")
    assert (job["state"], job["accepted"], job["preset"]) == ("done", 1, "in-mp-2014")
    wrong = await http.post("/v1/imports/units", content=data, params={"preset": "nowhere"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "unknown_preset")
    missing = await http.get("/v1/imports/01900000-0000-7000-8000-000000000000")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_import")


async def test_erasing_by_appointment(http: httpx.AsyncClient) -> None:
    path = f"/v1/appointments/{(await http.post('/v1/appointments', json=BODY)).json()['id']}"
    assert (await http.delete(f"{path}/person")).status_code == 204
    shown = (await http.get(path)).json()
    assert (shown["state"], shown["appointee"], shown["phone"]) == ("ended", None, None)
