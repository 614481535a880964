"""The confirm page as a person without JavaScript meets it."""

import re
from typing import Any

import httpx
import pytest

from services.otp.api.origin import from_own_page
from services.otp.store import open_valkey
from shared import ids
from shared.events import ChallengeLocked, ChallengeRefused, ChallengeVerified
from tests.integration.otp.world import OPERATOR_KEY, Sent, World, only, wrong_code

UNKNOWN = "A" * 22


def form_of(page: httpx.Response, action: str = "") -> dict[str, str]:
    """The hidden fields of the form that posts to the handle plus `action`."""
    (form,) = re.findall(rf'<form[^>]*action="/c/[\w-]+{action}"[^>]*>(.*?)</form>', page.text, re.DOTALL)
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


async def accept(world: World, sent: Sent, code: str, **more: Any) -> httpx.Response:
    """Open the link, type the code, follow nothing."""
    async with world.browser() as browser:
        form = form_of(await browser.get(f"/c/{sent.handle}"))
        return await browser.post(f"/c/{sent.handle}", data={**form, "code": code, **more})


async def test_the_page_says_who_asks_whom_for_what(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        page = await browser.get(f"/c/{sent.handle}")
    assert page.status_code == 200
    assert '<html lang="hi">' in page.text
    for text in (
        "जनसेवा संगठन", "बूथ अध्यक्ष", "बूथ 223", "कोलार मंडल", "सुनीता परमार", "24 नवंबर", "अनीता कु॰",
        "2:40 pm तक चलेगा", "5 मौक़े बाक़ी हैं", "2:30 pm के बाद",
    ):  # fmt: skip
        assert text in page.text
    assert "+91\u00a0•••••\u00a0••210" in page.text
    assert "कुशवाहा" not in page.text
    assert sent.code
    assert sent.code not in page.text
    assert f"https://t.me/boothline_bot?start={sent.handle}" in page.text
    assert "checked" not in page.text


async def test_the_other_language_is_a_link_and_the_forms_keep_it(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        page = await browser.get(f"/c/{sent.handle}?lang=en")
        assert "Is this post yours?" in page.text
        assert "5 guesses left." in page.text
        done = await browser.post(f"/c/{sent.handle}", data={**form_of(page), "code": sent.code or ""})
        assert done.headers["location"].endswith("lang=en")
        assert "Done. Thank you." in (await browser.get(done.headers["location"])).text
    (verified,) = only(await world.published(), ChallengeVerified)
    assert verified.notice.language == "en"


async def test_opening_the_link_any_number_of_times_changes_nothing(world: World) -> None:
    sent = await world.opened(mode="invite")
    before = await world.everything()
    async with world.browser() as browser:
        for path in ("", "/refuse", "/notice", "?lang=en", f"?r={ids.new_id()}"):
            assert (await browser.get(f"/c/{sent.handle}{path}")).status_code == 200
    assert await world.everything() == before


async def test_in_mode_invite_the_page_sends_a_code_when_asked(world: World) -> None:
    sent = await world.opened(mode="invite")
    async with world.browser() as browser:
        page = await browser.get(f"/c/{sent.handle}")
        assert "मुझे कोड भेजें" in page.text
        assert 'name="code"' not in page.text
        asked = await browser.post(f"/c/{sent.handle}/code", data=form_of(page, "/code"))
        assert asked.status_code == 303
        page = await browser.get(asked.headers["location"])
        assert 'name="code"' in page.text
    (message,) = world.messages(await world.published())
    done = await accept(world, sent, message.code or "")
    assert done.status_code == 303


@pytest.mark.parametrize("shape", ["{0} {1}", "{0}-{1}", " {0}{1}\n", "{0}\u200b{1}", "deva"])
async def test_the_code_is_read_as_people_type_it(world: World, shape: str) -> None:
    sent = await world.opened()
    code = sent.code or ""
    deva = code.translate(str.maketrans("0123456789", "०१२३४५६७८९"))
    typed = deva if shape == "deva" else shape.format(code[:3], code[3:])
    assert (await accept(world, sent, typed)).status_code == 303


async def test_a_wrong_code_is_said_at_the_top_and_at_the_field_and_what_was_typed_stays(world: World) -> None:
    sent = await world.opened()
    typed = wrong_code(sent.code or "")
    page = await accept(world, sent, typed, name_consent="yes")
    assert page.status_code == 422
    assert "<title>ग़लती: " in page.text
    assert 'role="alert" tabindex="-1"' in page.text
    assert '<a href="#code">कोड सही नहीं है।' in page.text
    assert 'aria-invalid="true"' in page.text
    assert f'value="{typed}"' in page.text
    assert "checked" in page.text
    assert "4 मौक़े बाक़ी हैं" in page.text


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12a456", "x" * 5000, "१२३", "<script>"])
async def test_what_is_not_six_digits_is_no_guess(world: World, typed: str) -> None:
    sent = await world.opened()
    page = await accept(world, sent, typed)
    assert page.status_code == 422
    assert "पूरे 6 अंक" in page.text
    assert "5 मौक़े बाक़ी हैं" in page.text
    assert "<script>" not in page.text


async def test_one_guess_left_is_singular(world: World) -> None:
    sent = await world.opened()
    for _ in range(4):
        page = await accept(world, sent, wrong_code(sent.code or ""))
    assert "1 मौक़ा बाक़ी है" in page.text


async def test_the_fifth_wrong_code_locks_and_says_whom_to_ask(world: World) -> None:
    sent = await world.opened()
    for _ in range(4):
        await accept(world, sent, wrong_code(sent.code or ""))
    locked = await accept(world, sent, wrong_code(sent.code or ""))
    assert locked.status_code == 303
    async with world.browser() as browser:
        page = await browser.get(locked.headers["location"])
        assert "सुनीता परमार से आमंत्रण दोबारा भेजने को कहें" in page.text
        assert (await browser.get(f"/c/{sent.handle}")).status_code == 404
    assert len(only(await world.published(), ChallengeLocked)) == 1


async def test_the_winning_form_sent_again_leads_to_the_same_result_and_the_link_alone_does_not(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        form = {**form_of(await browser.get(f"/c/{sent.handle}")), "code": sent.code or "", "name_consent": "yes"}
        answers = [await browser.post(f"/c/{sent.handle}", data=form) for _ in range(3)]
        assert {(each.status_code, each.headers["location"]) for each in answers} == {
            (303, f"/c/{sent.handle}?r={form['request_id']}&lang=hi")
        }
        results = [await browser.get(answers[0].headers["location"]) for _ in range(2)]
        assert "हो गया" in results[0].text
        assert results[0].text == results[1].text
        assert (await browser.get(f"/c/{sent.handle}")).status_code == 404
    (verified,) = only(await world.published(), ChallengeVerified)
    assert verified.name_consent is not None


async def test_unknown_used_refused_expired_ended_and_locked_links_get_one_page(world: World) -> None:
    """otp.md rules 8 and 20: bodies equal byte for byte, and one status, for GET and for every POST."""
    used, refused, expired, ended, locked = [await world.opened(phone=f"+91555000{n:04}") for n in range(5)]
    await accept(world, used, used.code or "")
    await world.otp.refuse(refused.handle, str(ids.new_id()), world.now)
    assert ended.event.appointment_id
    await world.otp.close(world.ended(ended.event.appointment_id, 2), world.now)
    for _ in range(5):
        await accept(world, locked, wrong_code(locked.code or ""))
    world.later(days=7)
    handles = [UNKNOWN, "%00", "'", used.handle, refused.handle, expired.handle, ended.handle, locked.handle]
    form = {"request_id": str(ids.new_id()), "lang": "", "notice": "1", "code": "123456"}
    async with world.browser() as browser:
        calls: list[tuple[str, dict[str, str] | None]] = [
            ("", None),
            ("/refuse", None),
            ("", form),
            ("", {**form, "code": ""}),
            ("/code", form),
            ("/refuse", form),
        ]
        for path, data in calls:
            answers = [
                await (browser.post(f"/c/{each}{path}", data=data) if data else browser.get(f"/c/{each}{path}"))
                for each in handles
            ]
            assert {(each.status_code, each.text) for each in answers} == {(404, answers[0].text)}
            assert len({tuple(sorted(each.headers.items())) for each in answers}) == 1
            assert "यह लिंक अब मान्य नहीं है" in answers[0].text


async def test_refusing_has_its_own_page_and_needs_no_code(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        asked = await browser.get(f"/c/{sent.handle}/refuse")
        assert "क्या इस पद से इनकार करना है?" in asked.text
        done = await browser.post(f"/c/{sent.handle}/refuse", data=form_of(asked, "/refuse"))
        assert done.status_code == 303
        assert "मना दर्ज है" in (await browser.get(done.headers["location"])).text
    assert len(only(await world.published(), ChallengeRefused)) == 1


async def test_asking_too_early_says_when_as_a_clock_time_and_as_a_header(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        form = {"request_id": str(ids.new_id()), "lang": "en"}
        early = await browser.post(f"/c/{sent.handle}/code", data=form)
        assert (early.status_code, early.headers["retry-after"]) == (429, "30")
        assert "Tuesday, 24 Nov, 2:30 pm" in early.text
        world.later(seconds=30)
        page = await browser.get(f"/c/{sent.handle}")
        assert "कोड दोबारा भेजें" in page.text
        twice = [await browser.post(f"/c/{sent.handle}/code", data=form_of(page, "/code")) for _ in range(2)]
        assert [each.status_code for each in twice] == [303, 303]
    assert len(world.messages(await world.published())) == 1


async def test_a_code_that_ran_out_is_just_asked_for_again(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        form = form_of(await browser.get(f"/c/{sent.handle}"))
        world.later(minutes=10)
        late = await browser.post(f"/c/{sent.handle}", data={**form, "code": sent.code or ""})
        assert late.status_code == 422
        assert "नया कोड माँगें" in late.text
        asked = await browser.post(f"/c/{sent.handle}/code", data=form_of(late, "/code"))
        assert asked.status_code == 303
    (fresh,) = world.messages(await world.published())
    assert (await accept(world, sent, fresh.code or "")).status_code == 303


async def test_when_no_more_codes_can_be_sent_the_page_says_whom_to_ask(world: World) -> None:
    sent = await world.opened()
    for wait in (30, 60, 120, 300):
        world.later(seconds=wait)
        await world.otp.ask(sent.handle, str(ids.new_id()), world.now)
    world.later(minutes=30)
    async with world.browser() as browser:
        assert "और कोड नहीं भेजे जा सकते" in (await browser.get(f"/c/{sent.handle}")).text


FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example.org"},
    {"origin": "null"},
    {"origin": "null", "referer": "https://c.example.org/"},
    {"referer": "https://evil.example.org/c.example.org"},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["", "/code", "/refuse"])
async def test_a_form_of_another_site_changes_nothing(world: World, headers: dict[str, str], path: str) -> None:
    sent = await world.opened()
    world.later(seconds=30)
    before = await world.everything()
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example.org", headers=headers) as browser:
        answer = await browser.post(f"/c/{sent.handle}{path}", data={"code": sent.code or "", "notice": "1"})
    assert answer.status_code == 403
    assert await world.everything() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "none"},
        {"origin": "https://c.example.org"},
        {"sec-fetch-site": "same-origin"},
        {"referer": "https://c.example.org/c/some-handle"},
    ],
)
async def test_our_own_form_is_taken_from_old_browsers_too(world: World, headers: dict[str, str]) -> None:
    sent = await world.opened()
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example.org", headers=headers) as browser:
        answer = await browser.post(f"/c/{sent.handle}", data={"code": sent.code or "", "notice": "1"})
    assert answer.status_code == 303


def test_every_route_that_changes_something_checks_where_the_form_came_from(world: World) -> None:
    """otp.md rule 19: the list comes from the router."""
    posts = [route for route in _routes(world.app) if "POST" in getattr(route, "methods", set())]
    pages = [route for route in posts if route.path.startswith("/c/")]
    assert len(pages) == 3
    for route in pages:
        assert from_own_page in [dependency.call for dependency in route.dependant.dependencies]
    assert {route.path for route in posts} - {route.path for route in pages} == {"/v1/republish"}


def _routes(app: Any) -> list[Any]:
    found: list[Any] = []
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        found += _routes(inner) if inner is not None else [route]
    return found


async def test_headers_keep_the_page_private(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        for path in (f"/c/{sent.handle}", f"/c/{sent.handle}/refuse", f"/c/{sent.handle}/notice", f"/c/{UNKNOWN}"):
            headers = (await browser.get(path)).headers
            assert headers["cache-control"] == "no-store"
            assert headers["x-robots-tag"] == "noindex"
            assert "otp-credentials=(self)" in headers["permissions-policy"]
            assert headers["referrer-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["strict-transport-security"]
            assert "set-cookie" not in headers


async def test_the_first_load_is_at_most_15_kilobytes_and_static_files_are_kept_for_ever(world: World) -> None:
    sent = await world.opened()
    wire = 0
    async with world.browser() as browser:
        page = await browser.get(f"/c/{sent.handle}")
        assert not re.search(r"style=|\son\w+=|<style|https?://(?!t\.me)", page.text)
        for path in (f"/c/{sent.handle}", *re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)):
            async with browser.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
                assert answer.status_code == 200
                wire += sum([len(part) async for part in answer.aiter_raw()])
                wire += sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
                if path.startswith("/static/"):
                    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await browser.get("/static/confirm.css")).status_code == 404
    assert wire <= 15_000


async def test_hostile_names_are_shown_as_text(world: World) -> None:
    appointment = world.recorded()
    hostile = {"appointee": {"hi": "<b>अ</b>\u202egnp\u200d", "en": None}, "recorder": "{{ 7*7 }}\u2066<i>"}
    sealed = world.seal["registry"].seal("otp", f"{appointment.subject}:1", "page", hostile)
    await world.otp.open(appointment.model_copy(update={"for_otp": sealed}), world.now)
    (sent,) = world.messages(await world.published())
    async with world.browser() as browser:
        page = (await browser.get(f"/c/{sent.handle}")).text
    assert "&lt;b&gt;अ&lt;/b&gt;gnp\u200d" in page
    assert "{{ 7*7 }}&lt;i&gt;" in page
    assert "\u202e" not in page


async def test_without_valkey_the_page_keeps_what_was_typed_and_offers_to_send_it_again(world: World) -> None:
    async with open_valkey("redis://127.0.0.1:1/0") as nowhere:
        cut = World(nowhere)
        async with cut.browser() as browser:
            request = str(ids.new_id())
            page = await browser.post(
                f"/c/{UNKNOWN}", data={"request_id": request, "lang": "en", "notice": "1", "code": "482107"}
            )
            assert page.status_code == 503
            assert page.headers["retry-after"]
            assert 'name="code" value="482107"' in page.text
            assert request in page.text
            asked = await browser.post(f"/c/{UNKNOWN}/code", data={})
            assert asked.status_code == 503
            assert (await browser.get("/ready")).status_code == 503


async def test_a_fault_of_ours_is_a_page_too(world: World) -> None:
    sent = await world.opened()
    (challenge,) = [key async for key in world.valkey.scan_iter("otp:challenge:*")]
    await world.valkey.hset(challenge, "page", "s1.registry/a.otp/a.AAAA")
    async with world.browser() as browser:
        page = await browser.get(f"/c/{sent.handle}?lang=en")
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "This did not work" in page.text


async def test_a_body_of_10_megabytes_is_refused(world: World) -> None:
    sent = await world.opened()
    async with world.browser() as browser:
        answer = await browser.post(f"/c/{sent.handle}", data={"code": "1" * 10_000_000})
    assert answer.status_code == 413


async def test_republishing_needs_the_operators_key(world: World) -> None:
    await world.opened()
    async with world.browser() as browser:
        body = {"since": "2026-11-24T00:00:00Z"}
        assert (await browser.post("/v1/republish", json=body)).status_code == 401
        headers = {"authorization": f"Bearer {OPERATOR_KEY}"}
        answer = await browser.post("/v1/republish", json=body, headers=headers)
        assert answer.json() == {"events": 2}
        assert (await browser.post("/v1/republish", json={"since": "x"}, headers=headers)).status_code == 422


async def test_a_page_names_its_icon_so_that_browsers_do_not_guess_one(world: World) -> None:
    async with world.browser() as browser:
        page = (await browser.get(f"/c/{UNKNOWN}")).text
        icon = await browser.get(page.partition('<link rel="icon" href="')[2].partition('"')[0])
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
