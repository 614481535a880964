"""The main job as its people see it: recorded in the portal, asked on the phone, confirmed, seen without a reload."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.e2e.conftest import System
from tests.e2e.test_main_job import tap_first
from tests.e2e.world import LINK, Appointee, code_in, handle_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

SLOWEST = 60_000
"""Milliseconds. Playwright's own 5 s are soon over where a browser and all services begin on a busy machine."""
expect.set_options(timeout=SLOWEST)
PHONE = {"viewport": {"width": 360, "height": 740}, "locale": "hi-IN", "timezone_id": "Asia/Kolkata"}


async def watched(browser: Browser, heard: list[str]) -> Page:
    """A page of a narrow browser of its own, whose complaints are `heard`."""
    context = await browser.new_context(**PHONE)  # type: ignore[arg-type] # playwright types each option apart
    context.set_default_timeout(SLOWEST)
    page = await context.new_page()
    page.on("console", lambda message: heard.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return page


async def record(page: Page, portal: str, unit: str, post: str, who: Appointee) -> None:
    """Fills the portal's form."""
    await page.goto(f"{portal}/units/{unit}/record?post={post}")
    await page.get_by_label("नाम हिन्दी में").fill(who.name["hi"])
    await page.get_by_label("मोबाइल नंबर").fill(who.phone)
    await page.locator("#notice").check()
    await page.get_by_role("button", name="दर्ज करें और कोड भेजें").click()
    await expect(page.get_by_text("नियुक्ति दर्ज हुई")).to_be_visible()


async def in_thread(act: Any, *arguments: Any, **more: Any) -> Any:
    """The sandbox's client blocks; the browser goes on meanwhile."""
    return await asyncio.to_thread(act, *arguments, **more)


async def test_recorded_in_the_portal_confirmed_on_the_web_and_in_telegram_seen_live(
    system: System, chromium: str, unit: str, appointee: Appointee
) -> None:
    portal, heard = system.endpoints.services["registry"], list[str]()
    second = Appointee(appointee.number + 700_000)
    await in_thread(system.phones.add, second)
    async with async_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"], timeout=2 * SLOWEST)
        async with await launched as browser:
            desk, wall, worker = (
                await watched(browser, heard),
                await watched(browser, heard),
                await watched(browser, []),
            )
            await desk.goto(await system.sign_in())
            await desk.get_by_role("button").last.click()
            await expect(desk.locator("#totals")).to_be_visible()
            await wall.context.add_cookies(await desk.context.cookies())  # type: ignore[arg-type]
            await wall.goto(f"{portal}/units/{unit}")
            await expect(wall.locator("html[data-live=on]")).to_be_attached()

            await record(desk, portal, unit, "president", appointee)
            sms = await in_thread(system.phones.sms, appointee, "/c/")
            await expect(wall.locator("#seat-1 .chip")).to_have_text("पहुँचा")
            link = LINK.search(sms["body"])
            assert link
            await worker.goto(link[0])
            await worker.locator("#code").fill(code_in(sms))
            await worker.locator("form", has=worker.locator("#code")).get_by_role("button").click()
            await expect(wall.locator("#seat-1 .chip")).to_have_text("सत्यापित")
            await expect(desk.locator("#course")).to_contain_text("वेब पेज से सत्यापित")

            await record(desk, portal, unit, "secretary", second)
            handle = handle_in(await in_thread(system.phones.sms, second, "/c/"))
            await in_thread(system.phones.do, second, "start", payload=handle)
            asked = await in_thread(system.phones.message, second)
            await in_thread(system.phones.do, second, "contact", kind="own")
            await in_thread(tap_first, system, second, asked["seq"])
            await expect(wall.locator("#seat-2 .chip")).to_have_text("सत्यापित")
            await expect(desk.locator("#course")).to_contain_text("टेलीग्राम में सत्यापित")
    assert heard == []
