"""Pages in a browser: every core task without script, the first load, keyboard, print, and a server that is gone."""

import asyncio
import re
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.integration.registry_portal.browser import chromium_browser, every_page, opened
from tests.integration.registry_portal.conftest import Server
from tests.integration.registry_portal.world import World

pytestmark = pytest.mark.browser

FIRST_LOAD = 60_000
"""Bytes on the wire (portal.md P1)."""


async def test_every_core_task_works_without_script_on_a_narrow_screen(
    chromium: str, server: Server, world: World, tmp_path: Path
) -> None:
    token = await world.sign_in_token()
    async with (
        chromium_browser(chromium) as browser,
        opened(browser, server.base, None, language="en", script=False) as page,
    ):
        await page.goto(f"/sign-in/{token}")
        await page.get_by_role("button", name="Sign in on this device").click()
        await page.get_by_role("link", name="Bhopal").click()
        await page.get_by_role("link", name="Huzur").click()
        await page.get_by_role("link", name="Booth 2,").click()
        await page.get_by_role("link", name=re.compile("Add a person.*Seat 1,")).click()
        await _record(page)
        await expect(page.get_by_text("The appointment was recorded")).to_be_visible()
        await _correct(page)
        await _end(page)
        await _import(page, world, tmp_path)
        await page.get_by_role("link", name="हिन्दी").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("नियुक्तियों का आयात")
        await page.get_by_role("button", name="बाहर निकलें").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("प्रवेश")


async def _record(page: Page) -> None:
    await page.get_by_label("Name in Hindi").fill("सुनीता देवी")
    await page.get_by_label("Mobile number").fill("12")
    await page.get_by_role("button", name="Record and send the code").click()
    await expect(page).to_have_title("Error: Record an appointment – Boothline")
    await expect(page.get_by_label("Name in Hindi")).to_have_value("सुनीता देवी")
    await page.get_by_label("Mobile number").fill("+91 55512 00001")
    await page.get_by_label("I have shown or read this notice").check()
    await page.get_by_role("button", name="Record and send the code").click()


async def _correct(page: Page) -> None:
    await page.get_by_role("link", name="Correct the phone number").click()
    await page.get_by_label("Right mobile number").fill("5551200002")
    await page.get_by_role("button", name="Save and send again").click()
    await expect(page.get_by_text("The number was corrected")).to_be_visible()


async def _end(page: Page) -> None:
    await page.get_by_role("link", name="End this appointment").click()
    await page.get_by_label("resigned").check()
    await page.get_by_role("button", name="End the appointment of 1 person").click()
    await expect(page.get_by_text("The appointment has ended")).to_be_visible()


async def _import(page: Page, world: World, folder: Path) -> None:
    table = folder / "list.csv"
    table.write_text(
        "unit,post,name_hi,name_en,phone,notice_version,notice_language\nnowhere,president,,A B,5551200009,1,hi\n"
    )
    await page.get_by_role("link", name="Import").click()
    await page.get_by_label("Appointments").check()
    await page.get_by_label("File", exact=True).set_input_files(table)
    await page.get_by_role("button", name="Upload and import").click()
    await expect(page).to_have_url(re.compile("/imports/.+"))
    await world.imports_are_over()
    await page.get_by_role("link", name="Refresh").click()  # progress by reload
    await expect(page.get_by_text("1 row needs your attention")).to_be_visible()
    await expect(page.get_by_text("There is no unit nowhere.")).to_be_visible()


async def test_no_page_weighs_more_than_its_budget(
    chromium: str, server: Server, world: World, committee: dict[str, UUID]
) -> None:
    session = await world.sign_in()
    async with chromium_browser(chromium) as browser:
        weights = {name: await _weigh(browser, server.base, session, path) for name, path in every_page(committee)}
    assert {name: weight for name, weight in weights.items() if weight[0] > FIRST_LOAD or weight[1] > 4} == {}


async def _weigh(browser: Browser, base: str, session: str, path: str) -> tuple[float, int]:
    """Bytes on the wire, and requests, of a first visit; the live stream is no part of it."""
    async with opened(browser, base, session) as page:
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Network.enable")
        sizes: list[float] = []
        devtools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        await page.goto(path, wait_until="load")
        return sum(sizes), len(sizes)


async def test_keyboard_and_screen_reader_find_the_way(chromium: str, server: Server, world: World) -> None:
    async with (
        chromium_browser(chromium) as browser,
        opened(browser, server.base, await world.sign_in(), language="en") as page,
    ):
        await page.goto("/units/155-1/record?post=president")
        await page.keyboard.press("Tab")
        await expect(page.locator(":focus")).to_have_text("Skip to the content")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("#main$"))
        await page.keyboard.press("Tab")
        await expect(page.locator(":focus")).to_have_text("Madhya Pradesh")
        await page.get_by_role("button", name="Record and send the code").click()
        await expect(page.locator(":focus")).to_have_attribute("role", "alert")
        await page.get_by_role("link", name="Write the name in Hindi or English letters.").click()
        await expect(page.locator(":focus")).to_have_id("name_hi")


async def test_a_committee_prints_on_one_page(
    chromium: str, server: Server, world: World, committee: dict[str, UUID]
) -> None:
    assert committee
    async with chromium_browser(chromium) as browser, opened(browser, server.base, await world.sign_in()) as page:
        await page.goto("/units/155-1")
        printed = await page.pdf(format="A4")
    assert printed.count(b"/Type /Page\n") == 1


async def test_a_double_click_records_once_and_a_dead_server_loses_nothing(
    chromium: str, server: Server, world: World
) -> None:
    async with (
        chromium_browser(chromium) as browser,
        opened(browser, server.base, await world.sign_in(), language="en") as page,
    ):
        await page.goto("/units/155-1/record?post=member")
        await page.get_by_label("Name in English letters").fill("Ramesh Kumar")
        await page.get_by_label("Mobile number").fill("5551200004")
        await page.get_by_label("I have shown or read this notice").check()
        server.stop(kill=True)
        await page.get_by_role("button", name="Record and send the code").click()
        await page.wait_for_url("chrome-error://**")
        server.start()
        await page.go_back()
        await expect(page.get_by_label("Name in English letters")).to_have_value("Ramesh Kumar")
        clicked, sent = asyncio.Event(), list[str]()

        async def answer_after_both_clicks(route: Route) -> None:
            if route.request.method == "POST":
                sent.append(route.request.url)
                await clicked.wait()
            await route.continue_()

        await page.route("**/record?*", answer_after_both_clicks)
        await page.get_by_role("button", name="Record and send the code").dblclick()
        clicked.set()
        await expect(page.get_by_text("The appointment was recorded")).to_be_visible()
        assert len(sent) == 1
    assert len(await world.rows("SELECT FROM appointment")) == 1
