"""The pages in Debian's Chromium: they look right to axe, fit 360 px, are live, and work without scripts."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.integration.sandbox.conftest import ANITA, RAVI, Client

pytestmark = pytest.mark.browser

PAGES = ["/", f"/phones/{ANITA}", f"/phones/{RAVI}", "/channels", "/calls", "/faults", "/t.me/boothline_bot?start=abc"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
CONFIRM = {"inline_keyboard": [[{"text": "✓ हाँ", "callback_data": "yes"}, {"text": "✕ नहीं", "callback_data": "no"}]]}
SLOWEST = 60_000
"""Milliseconds until something must be seen on a busy machine."""
SHARE = {"keyboard": [[{"text": "📱 नंबर साझा करें", "request_contact": True}], [{"text": "यह मैं नहीं हूँ"}]]}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=SLOWEST)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"], timeout=SLOWEST)
        yield made
        made.close()


def opened(browser: Browser, url: str, **options: Any) -> BrowserContext:
    fixed = {"base_url": url, "viewport": {"width": 360, "height": 740}, "locale": "hi-IN", "reduced_motion": "reduce"}
    context = browser.new_context(**fixed | options)
    context.set_default_timeout(SLOWEST)
    return context


@pytest.fixture
def page(browser: Browser, sandbox_url: str) -> Iterator[Page]:
    with opened(browser, sandbox_url) as context:
        made = context.new_page()
        errors: list[str] = []
        made.on("console", lambda m: errors.append(m.text) if m.type in {"error", "warning"} else None)
        made.on("pageerror", lambda e: errors.append(str(e)))
        yield made
        assert [e for e in errors if "ERR_FAILED" not in e and "422" not in e] == []  # what tests bring about


@pytest.fixture
def busy(people: Client) -> Client:
    """A chat with both keyboards, SMS, a channel with a post, faults and calls."""
    people.control(f"/phones/{ANITA}/start", payload="handle-1")
    chat_id = people.control(f"/phones/{ANITA}", "GET")["telegram"]["user_id"]
    text = "नमस्ते! आपको <b>बूथ 223</b> का <b>व्हाट्सएप प्रमुख</b> दर्ज किया गया है। <a href='https://e.org'>सूचना</a>"
    people.bot("sendMessage", chat_id=chat_id, text=text, parse_mode="HTML", reply_markup=SHARE)
    people.bot("sendMessage", chat_id=chat_id, text="स्वीकार करती हैं?", reply_markup=CONFIRM)
    people.sms(
        RAVI, "जनसेवा: कोड 482107 है। https://confirm.example.org/c/Zx8aQ2kLm3aaaaaaaaaaaaaaaaaaaa\n@e.org #482107"
    )
    people.sms("+915550009999", "to a stranger")
    people.control("/channels", title="बूथ 223 – सूचना चैनल", chat_id=-1001000000223)
    people.bot("sendMessage", chat_id=-1001000000223, text="<b>नई नियुक्ति</b>", parse_mode="HTML")
    people.bot("sendMessage", chat_id=42, text="nobody")
    people.control("/faults", api="sms", target="+915550001234", reset=True, stage="after")
    while {sms["status"] for sms in people.control("/sms", "GET")} != {"delivered"}:
        time.sleep(0.02)  # a receipt that comes later would change the pages
    return people


def live(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator(".live[data-state=on]")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [
        ("hi", 320, "light"),
        pytest.param("en", 360, "dark", marks=pytest.mark.slow),
        pytest.param("hi", 1280, "dark", marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("busy")
def test_pages_are_accessible_and_do_not_scroll_sideways(
    browser: Browser, sandbox_url: str, language: str, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 900}
    with opened(browser, sandbox_url, viewport=size, locale=f"{language}-IN", color_scheme=scheme) as context:
        page = context.new_page()
        for path in PAGES:
            live(page, path)
            for closed in page.locator("details").all():
                closed.evaluate("node => { node.open = true; }")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            found = Axe().run(page, options=RULES).response
            assert not found["violations"], (path, [v["id"] for v in found["violations"]])
            assert "equalRatio" not in str(found["incomplete"]), path


def test_every_action_is_44_pixels_high(page: Page, busy: Client) -> None:
    for path in PAGES:
        live(page, path)
        actions = page.locator("main button, main .key, nav a, .lang, .rows > li > a, main input:not([type=hidden])")
        for action in actions.all():
            box = action.bounding_box()
            tall = box is None or box["height"] >= (24 if action.get_attribute("type") == "checkbox" else 44)
            assert tall, (path, action.evaluate("node => node.outerHTML"))


def test_a_first_load_stays_below_60_kb_and_four_requests(page: Page, busy: Client) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    live(page, "/")
    assert 0 < sum(sizes) <= 60_000
    assert len(sizes) <= 5  # page, two style sheets, script, mark


def test_an_sms_appears_without_reload_and_does_not_disturb_what_is_typed(page: Page, busy: Client) -> None:
    live(page, f"/phones/{RAVI}")
    box = page.get_by_placeholder("जवाब")
    box.fill("4821")
    busy.sms(RAVI, "दूसरा संदेश")
    expect(page.get_by_text("दूसरा संदेश")).to_be_visible()
    expect(box).to_have_value("4821")
    expect(box).to_be_focused()
    box.press("End")
    box.press_sequentially("07")
    box.press("Enter")
    expect(page.locator(".msg.me")).to_contain_text("482107")
    expect(box).to_have_value("")
    assert busy.control(f"/phones/{RAVI}/sms", "GET")["messages"][-1]["body"] == "482107"


def test_what_was_sent_does_not_stay_in_the_box_of_a_panel_that_was_exchanged_meanwhile(
    page: Page, busy: Client
) -> None:
    live(page, f"/phones/{RAVI}")
    sending: list[Route] = []

    def hold(route: Route) -> None:
        sending.append(route)

    page.route("**/phones/*/sms", hold)
    box = page.get_by_placeholder("जवाब")
    box.fill("482107")
    with page.expect_request("**/phones/*/sms"):
        box.press("Enter")
    busy.sms(RAVI, "दूसरा संदेश")
    expect(page.get_by_text("दूसरा संदेश")).to_be_visible()
    expect(box).to_have_value("482107")
    sending[0].continue_()
    expect(page.locator(".msg.me")).to_contain_text("482107")
    expect(box).to_have_value("")


def test_the_chat_is_worked_by_taps_without_leaving_the_page(page: Page, busy: Client) -> None:
    live(page, f"/phones/{ANITA}")
    page.evaluate("window.stayed = true")
    page.get_by_text("📱 नंबर साझा करें").click()
    page.get_by_role("button", name="मेरा नंबर भेजें").click()
    expect(page.locator(".msg.me").last).to_contain_text("संपर्क")
    expect(page.get_by_text("📱 नंबर साझा करें")).to_have_count(0)
    page.get_by_role("button", name="✓ हाँ").click()
    found = busy.control("/wait?kind=call&method=post&timeout=0", "GET")
    assert found["found"] is not None
    update = busy.bot("getUpdates", timeout=50)["result"][-1]
    while "callback_query" not in update:
        update = busy.bot("getUpdates", offset=update["update_id"] + 1, timeout=50)["result"][-1]
    busy.bot("answerCallbackQuery", callback_query_id=update["callback_query"]["id"], text="हो गया ✓")
    expect(page.get_by_text("हो गया ✓")).to_be_visible()
    assert page.evaluate("window.stayed") is True


def test_a_busy_page_says_that_there_is_more_instead_of_moving(page: Page, busy: Client) -> None:
    live(page, "/")
    expect(page.locator(".news")).to_be_hidden()
    busy.sms("+915550008888", "to another stranger")
    expect(page.locator(".news")).to_be_visible()


def test_without_the_server_the_page_says_so_and_keeps_what_was_typed(page: Page, busy: Client) -> None:
    live(page, f"/phones/{RAVI}")
    page.route("**/phones/*/sms", lambda route: route.abort())
    box = page.get_by_placeholder("जवाब")
    box.fill("482107")
    box.press("Enter")
    expect(page.locator(".live[data-state=off]")).to_be_visible()
    expect(box).to_have_value("482107")


def test_everything_works_without_scripts(browser: Browser, sandbox_url: str, busy: Client) -> None:
    with opened(browser, sandbox_url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/phones/{ANITA}")
        page.get_by_text("📱 नंबर साझा करें").click()
        page.get_by_role("button", name="मेरा नंबर भेजें").click()
        expect(page.locator(".msg.me").last).to_contain_text("संपर्क")
        page.get_by_role("button", name="✓ हाँ").click()
        page.get_by_placeholder("संदेश").fill("नमस्ते")
        page.get_by_placeholder("संदेश").press("Enter")
        expect(page.locator(".msg.me").last).to_contain_text("नमस्ते")
        page.get_by_role("link", name="फ़ोन", exact=True).click()
        page.get_by_label("नाम", exact=True).fill("सुनीता")
        page.get_by_label("नंबर, देश के कोड के साथ").fill("+91 55500 00777")
        page.get_by_role("button", name="फ़ोन जोड़ें").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("सुनीता")
        page.get_by_role("button", name="शुरू करें").first.click()
        expect(page.locator(".msg.me")).to_contain_text("/start")
        page.get_by_role("link", name="ख़राबियाँ").click()
        page.get_by_label("इस स्टेटस से जवाब दें").fill("503")
        page.get_by_role("button", name="ख़राबी जोड़ें").click()
        expect(page.get_by_text("स्टेटस 503")).to_be_visible()
        page.get_by_role("link", name="कॉल लॉग").click()
        expect(page.get_by_text(re.compile("अब तक [0-9]+ कॉल"))).to_be_visible()


def test_an_error_is_announced_and_focused(page: Page, busy: Client) -> None:
    live(page, "/")
    page.get_by_label("नाम", exact=True).fill("x")
    page.get_by_label("नंबर, देश के कोड के साथ").fill("12")
    page.get_by_role("button", name="फ़ोन जोड़ें").click()
    expect(page).to_have_title(re.compile("^ग़लती: "))
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.locator("#phone[aria-invalid=true]")).to_have_value("12")
