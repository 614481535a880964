"""Pages without a browser: headers, sessions, foreign forms, forms that keep what was typed, double submit."""

import asyncio
import re
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.registry.domain.names import Name
from services.registry.service.gate import RECORDER
from services.registry.settings import Settings
from shared.clock import utc_now
from shared.lifecycle import Tasks
from tests.integration.registry_portal.browser import every_page
from tests.integration.registry_portal.conftest import BASE, stranger
from tests.integration.registry_portal.serve import build
from tests.integration.registry_portal.world import World

FORM = {"name_en": "Sunita Devi", "phone": "+91 55512-00001", "language": "hi", "gender": "female", "notice": "yes"}
RECORD = "/units/155-2/record?post=president"


def request_id(page: str) -> str:
    """The hidden id of the form on `page`."""
    found = re.search(r'name="request_id" value="([0-9a-f-]{36})"', page)
    assert found
    return found[1]


async def fill(client: httpx.AsyncClient, path: str, **changes: str) -> httpx.Response:
    """Opens the form and sends it."""
    form = await client.get(path)
    return await client.post(path, data=FORM | {"request_id": request_id(form.text)} | changes)


async def test_every_page_has_its_headers(client: httpx.AsyncClient, committee: dict[str, UUID]) -> None:
    for name, path in every_page(committee):
        response = await client.get(path)
        assert response.status_code == (404 if name == "missing" else 200), name
        assert response.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'"), name
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "same-origin"
        assert response.headers["cross-origin-opener-policy"] == "same-origin"
        stored = response.headers["cache-control"]
        public = name in {"coverage", "coverage-assembly", "record", "imports", "notice"}
        assert stored == ("private, no-cache" if public else "no-store"), name
        assert ("etag" in response.headers) == public, name
        assert "style=" not in response.text, name
        assert not re.search(r'\son\w+="', response.text), name


async def test_an_unchanged_page_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/notice")
    again = await client.get("/notice", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_static_files_are_kept_for_ever_under_their_hash(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(found) == 3  # one style sheet, one script, the mark
    for path in found:
        response = await client.get(path)
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert re.search(r"-[0-9a-f]{12}\.\w+$", path)


async def test_whoever_is_not_signed_in_sees_nothing(
    portal: FastAPI, client: httpx.AsyncClient, committee: dict[str, UUID]
) -> None:
    open_pages = {"notice", "sign-in", "sign-in-plain"}
    async with stranger(portal) as nobody:
        for name, path in every_page(committee):
            response = await nobody.get(path)
            if name not in open_pages:
                assert (response.status_code, response.headers["location"]) == (303, "/sign-in"), name
        for path in (f"/imports/{committee['sent']}", f"/imports/{committee['sent']}/rejects.csv"):
            assert (await nobody.get(path)).status_code == 303
        assert (await nobody.get("/live?coverage=")).status_code == 401
        assert (await nobody.post(RECORD, data=FORM)).status_code == 401
        assert (await nobody.post(f"/appointments/{committee['sent']}/end", data={})).status_code == 401
        assert (await nobody.post("/imports", data={})).status_code == 401


async def test_a_sign_in_link_survives_previews_and_works_once(portal: FastAPI, world: World) -> None:
    token = await world.sign_in_token()
    async with stranger(portal) as browser:
        for _ in range(3):
            assert (await browser.get(f"/sign-in/{token}")).status_code == 200
        signed_in = await browser.post("/sign-in", data={"token": token})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        cookie = signed_in.headers["set-cookie"]
        assert cookie.startswith("session=")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert (await browser.get("/")).status_code == 200
        again = await browser.post("/sign-in", data={"token": token})
        assert again.status_code == 401
        assert "token" not in again.url.query.decode()
        await browser.post("/sign-out")
        assert (await browser.get("/")).status_code == 303


async def test_over_https_the_cookie_is_bound_to_the_host(portal: FastAPI, world: World) -> None:
    async with stranger(portal, base="https://portal.example") as browser:
        response = await browser.post("/sign-in", data={"token": await world.sign_in_token()})
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-session=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert "max-age" in (await browser.get("/notice")).headers["strict-transport-security"]


async def test_behind_a_proxy_that_speaks_http_to_us_the_public_address_decides(
    settings: Settings, world: World
) -> None:
    public = settings.model_copy(update={"public_url": "https://portal.example"})
    async with Tasks() as tasks:
        web, _ = build(public, world.database, tasks)
        async with stranger(web, base="http://portal.example") as browser:
            browser.headers["origin"] = "https://portal.example"  # and no Sec-Fetch-Site: an old browser
            response = await browser.post("/sign-in", data={"token": await world.sign_in_token()})
            cookie = response.headers["set-cookie"]
            assert cookie.startswith("__Host-session=")
            assert "Secure" in cookie
            browser.cookies.set("__Host-session", cookie.partition("=")[2].partition(";")[0])
            assert (await browser.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "none"}, 303),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 303),
        ({"origin": BASE}, 303),
        ({"sec-fetch-site": "cross-site", "origin": BASE}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_a_form_of_another_site_is_refused(
    portal: FastAPI, world: World, headers: dict[str, str], status: int
) -> None:
    cookies = {"session": await world.sign_in()}
    transport = httpx.ASGITransport(portal)
    async with httpx.AsyncClient(transport=transport, base_url=BASE, cookies=cookies) as browser:
        response = await browser.post("/sign-out", headers=headers)
    assert response.status_code == status


async def test_a_language_is_chosen_once_and_stays(client: httpx.AsyncClient) -> None:
    client.cookies.delete("language")
    assert 'lang="hi"' in (await client.get("/")).text
    switched = await client.get("/?lang=en&page=1")
    assert (switched.status_code, switched.headers["location"]) == (303, "/?page=1")
    assert 'lang="en"' in (await client.get("/")).text


async def test_the_language_switch_does_not_lead_away(client: httpx.AsyncClient) -> None:
    response = await client.get("//evil.example/?lang=en")
    assert not response.headers.get("location", "/").startswith("//")


async def test_an_appointment_is_recorded_and_shown(client: httpx.AsyncClient, world: World) -> None:
    response = await fill(client, RECORD)
    assert response.status_code == 303
    page = await client.get(response.headers["location"])
    assert "Sunita Devi" in page.text
    assert "••001" in page.text
    assert "5551200001" not in page.text
    rows = await world.rows("SELECT notice_version, notice_language, state, mode FROM appointment")
    assert [tuple(row) for row in rows] == [("2026-11", "en", "recorded", "live")]


async def test_everything_that_is_wrong_is_said_at_once_and_what_was_typed_is_kept(client: httpx.AsyncClient) -> None:
    response = await fill(client, RECORD, name_en="", notice="", phone="5551200001 x", name_hi="")
    assert response.status_code == 422
    assert "<title>Error: " in response.text
    assert 'role="alert"' in response.text
    assert 'href="#name_hi"' in response.text
    assert 'href="#notice"' in response.text
    assert 'value="5551200001 x"' in response.text
    assert re.search(r'id="gender"[^>]*value="female" checked', response.text)
    assert response.text.count('aria-invalid="true"') == 2


@pytest.mark.parametrize(
    ("phone", "says"),
    [
        ("12345", "This is not a phone number."),
        ("0755 2551234", "This is not a mobile number that can get an SMS."),
        ("9.87654E+09", "Excel shortened this phone number"),
    ],
)
async def test_a_wrong_phone_is_explained_at_its_field(client: httpx.AsyncClient, phone: str, says: str) -> None:
    response = await fill(client, RECORD, phone=phone)
    assert response.status_code == 422
    assert response.text.count(says) == 2  # in the summary and at the field
    assert f'value="{phone}"' in response.text


async def test_a_shared_phone_is_taken_only_when_it_is_confirmed(client: httpx.AsyncClient) -> None:
    assert (await fill(client, RECORD)).status_code == 303
    other = RECORD.replace("president", "secretary")
    asked = await fill(client, other, name_en="Ramesh Kumar")
    assert asked.status_code == 409
    assert 'name="shared_phone"' in asked.text
    assert 'value="Ramesh Kumar"' in asked.text
    answered = await client.post(
        other, data=FORM | {"name_en": "Ramesh Kumar", "shared_phone": "yes", "request_id": request_id(asked.text)}
    )
    assert answered.status_code == 303


async def test_a_taken_seat_names_the_way_on(client: httpx.AsyncClient, world: World) -> None:
    holder = await world.record("155-2", "president", Name(None, "First Holder"))
    response = await fill(client, RECORD)
    assert response.status_code == 409
    assert f"/appointments/{holder}" in response.text
    assert 'value="Sunita Devi"' in response.text


async def test_a_form_sent_twice_at_once_records_once(client: httpx.AsyncClient, world: World) -> None:
    form = await client.get(RECORD.replace("president", "member"))
    data = FORM | {"request_id": request_id(form.text)}
    first, second = await asyncio.gather(
        *(client.post(RECORD.replace("president", "member"), data=data) for _ in range(2))
    )
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert len(await world.rows("SELECT FROM appointment")) == 1


async def test_a_phone_is_corrected_and_the_course_says_so(client: httpx.AsyncClient, world: World) -> None:
    appointment = await world.record("155-2", "president", Name("सुनीता", None), phone="+915551200009")
    path = f"/appointments/{appointment}/phone"
    wrong = await fill(client, path, phone="77", version="1")
    assert wrong.status_code == 422
    assert 'value="77"' in wrong.text
    response = await fill(client, path, phone="+91 55512 00008", version="1")
    assert response.headers["location"] == f"/appointments/{appointment}?done=phone"
    page = (await client.get(response.headers["location"])).text
    assert "Phone number corrected, invited again" in page
    assert "••008" in page


async def test_a_change_of_somebody_else_is_noticed(client: httpx.AsyncClient, world: World) -> None:
    appointment = await world.record("155-2", "president", Name("सुनीता", None), phone="+915551200009")
    path = f"/appointments/{appointment}/phone"
    assert (await fill(client, path, phone="+91 55512 00008", version="1")).status_code == 303
    stale = await fill(client, path, phone="+91 55512 00007", version="1")
    assert stale.status_code == 409
    assert "Somebody changed this since you opened it." in stale.text
    assert 'value="+91 55512 00007"' in stale.text
    assert 'name="version" value="2"' in stale.text


async def test_a_locked_invitation_is_issued_again(client: httpx.AsyncClient, world: World) -> None:
    appointment = await world.record("155-2", "president", Name("सुनीता", None))
    await world.hear(appointment, "locked")
    assert (await fill(client, f"/appointments/{appointment}/reissue", version="")).status_code == 303
    assert "Invitation issued again" in (await client.get(f"/appointments/{appointment}")).text


async def test_an_appointment_ends_only_with_a_reason(client: httpx.AsyncClient, world: World) -> None:
    appointment = await world.record("155-2", "president", Name("सुनीता", None))
    path = f"/appointments/{appointment}/end"
    asked = await fill(client, path, reason="")
    assert asked.status_code == 422
    assert "Choose why it ends." in asked.text
    assert (await fill(client, path, reason="resigned")).status_code == 303
    page = (await client.get(f"/appointments/{appointment}")).text
    assert "resigned" in page
    assert "Record another person for this seat" in page
    assert "/units/155-2" in (await client.get("/units/155-2")).text


async def test_a_recorder_of_one_district_sees_nothing_of_another(
    portal: FastAPI, world: World, committee: dict[str, UUID]
) -> None:
    await world.rows(
        "UPDATE account SET unit_id = (SELECT id FROM unit WHERE code = 'mp-sehore') WHERE name = $1 RETURNING id",
        RECORDER,
    )
    token = await world.sign_in_token(RECORDER)
    async with stranger(portal) as browser:
        await browser.post("/sign-in", data={"token": token})
        assert "सीहोर" in (await browser.get("/")).text
        for path in ("/units/155-1", "/coverage/mp", f"/appointments/{committee['sent']}", RECORD):
            assert (await browser.get(path)).status_code == 404, path
        for topic in ("unit=155-1", "coverage=mp", f"appointment={committee['sent']}"):
            assert (await browser.get(f"/live?{topic}")).status_code == 404, topic


HOSTILE = "\u202e<script>alert(1)</script>\"'&" + "é" + "\u0301" * 40 + "\u200b😀"


async def test_a_hostile_name_is_harmless(client: httpx.AsyncClient, world: World) -> None:
    response = await fill(client, RECORD, name_en=HOSTILE)
    page = (await client.get(response.headers["location"])).text
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "\u200b" not in page
    unit = (await client.get("/units/155-2")).text
    assert "<script>alert" not in unit
    assert "<bdi" in unit


async def test_a_body_of_ten_megabytes_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(RECORD, content=b"x" * 10_000_001)
    assert response.status_code == 413


async def test_what_cannot_be_done_any_more_leads_back_to_the_appointment(
    client: httpx.AsyncClient, world: World, committee: dict[str, UUID]
) -> None:
    """Of an erased person there is not even a name to show."""
    one = committee["sent"]
    await world.service.operating.erase_appointee(world.principal, one, utc_now())
    for act in ("phone", "reissue", "end"):
        asked = await client.get(f"/appointments/{one}/{act}")
        assert (asked.status_code, asked.headers["location"]) == (303, f"/appointments/{one}")
        sent = await client.post(f"/appointments/{one}/{act}", data={"phone": "+91 555 12 34567", "reason": "other"})
        assert sent.status_code == 409
        assert "Erased person" in sent.text


async def test_a_page_behind_the_last_one_leads_to_the_first(client: httpx.AsyncClient) -> None:
    answer = await client.get("/coverage/ac-155?page=9")
    assert (answer.status_code, answer.headers["location"]) == (303, "/coverage/ac-155")
