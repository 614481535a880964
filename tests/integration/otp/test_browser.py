"""The confirm page in Chromium: at 360 px, without JavaScript, in both themes, checked by axe."""

from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, async_playwright, expect

from shared.lifecycle import Tasks
from shared.web import serving
from tests.integration.otp.world import World, wrong_code

pytestmark = pytest.mark.browser

expect.set_options(timeout=60_000)
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"], timeout=120_000)
        yield browser
        await browser.close()


@pytest.fixture
async def address(world: World) -> AsyncIterator[str]:
    """The pages on a socket."""
    async with Tasks() as tasks, serving(world.app, "127.0.0.1", 0, tasks) as port:
        yield f"http://127.0.0.1:{port}"


async def test_a_person_confirms_without_javascript(world: World, browser: Browser, address: str) -> None:
    sent = await world.opened(mode="invite")
    context = await browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{address}/c/{sent.handle}")
    await page.get_by_role("button", name="मुझे कोड भेजें").click()
    await expect(page.get_by_role("textbox")).to_be_visible()
    (message,) = world.messages(await world.published())
    assert message.code
    await page.get_by_role("textbox").fill(wrong_code(message.code))
    await page.get_by_role("button", name="हाँ, पद स्वीकार करें").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_role("textbox").fill(f"{message.code[:3]} {message.code[3:]}")
    await page.get_by_role("button", name="हाँ, पद स्वीकार करें").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("हो गया। धन्यवाद।")


@pytest.mark.parametrize(("theme", "language"), [("light", "hi"), ("dark", "en")])
async def test_no_page_has_a_fault_that_axe_finds_or_scrolls_sideways(
    world: World, browser: Browser, address: str, theme: Literal["light", "dark"], language: str
) -> None:
    sent = await world.opened()
    invited = await world.opened(mode="invite")
    context = await browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=theme)
    page = await context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    for path in (sent.handle, invited.handle, f"{sent.handle}/refuse", f"{sent.handle}/notice", "unknown"):
        await page.goto(f"{address}/c/{path}?lang={language}")
        await _is_sound(page)
    await page.goto(f"{address}/c/{sent.handle}?lang={language}")
    await page.locator("#code").fill("12")
    await page.locator("form[data-webotp] button").click()
    await expect(page.locator(":focus")).to_have_attribute("role", "alert")
    await _is_sound(page)
    await page.locator("#code").fill(sent.code or "")
    await page.locator("form[data-webotp] button").click()
    await expect(page.locator("[role=status] h1")).to_be_visible()
    await _is_sound(page)
    assert [text for text in trouble if "Failed to load resource" not in text] == []


async def _is_sound(page: Any) -> None:
    found = (await Axe().run(page, options={"runOnly": RULES})).response
    assert [each["id"] for each in found["violations"]] == [], page.url
    assert "equalRatio" not in str(found["incomplete"])
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    small = """[...document.querySelectorAll('.btn, .lang, .tap, input:not([type=hidden]):not([type=checkbox])')]
        .filter(each => each.getBoundingClientRect().height < 44).map(each => each.outerHTML)"""
    assert await page.evaluate(small) == []
