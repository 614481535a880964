"""Open pages change by themselves: at a commit, after a restart, and without losing what is typed. That no change waits
for long, the tests of the hub prove (tests/unit/registry_portal/test_live.py): it looks four times a second."""

import asyncio
from uuid import UUID

import pytest
from playwright.async_api import Page, expect

from services.registry.domain.names import Name
from tests.integration.registry_portal.browser import chromium_browser, opened
from tests.integration.registry_portal.conftest import Server
from tests.integration.registry_portal.world import World

pytestmark = pytest.mark.browser

LIVE = "html[data-live=on]"
BACK = 180_000
"""Milliseconds in which a page finds a server that was away: each of its attempts comes twice as late as the last."""
MARKED = "data-marked"


async def keep_marks(page: Page) -> None:
    """Writes down which card was marked last, and with which word: the mark itself goes after six seconds."""
    await page.evaluate(
        """name => new MutationObserver(() => {
          for (const card of document.querySelectorAll(".changed"))
            document.documentElement.setAttribute(name, `${card.id} ${card.querySelector(".new")?.textContent}`);
        }).observe(document.body, {subtree: true, childList: true, attributes: true})""",
        MARKED,
    )


async def test_a_change_appears_on_every_open_page_by_itself(
    chromium: str, server: Server, world: World, committee: dict[str, UUID]
) -> None:
    session = await world.sign_in()
    complaints: list[str] = []
    async with (
        chromium_browser(chromium) as browser,
        opened(browser, server.base, session, language="hi", complaints=complaints) as unit,
        opened(browser, server.base, session, language="en", complaints=complaints) as same_unit,
        opened(browser, server.base, session, language="en", complaints=complaints) as coverage,
        opened(browser, server.base, session, language="en", complaints=complaints) as appointment,
    ):
        await unit.goto("/units/155-1")
        await same_unit.goto("/units/155-1")
        await coverage.goto("/coverage/ac-155")
        await appointment.goto(f"/appointments/{committee['sent']}")
        for page in (unit, same_unit, coverage, appointment):
            await expect(page.locator(LIVE)).to_be_attached()
        await keep_marks(unit)
        await expect(unit.locator("#seat-10")).to_contain_text("भेजा गया")
        await world.hear(committee["sent"], "verified")
        await expect(unit.locator("#seat-10 .chip")).to_have_text("सत्यापित")
        await expect(unit.locator("html")).to_have_attribute(MARKED, "seat-10 अभी")
        await expect(unit.locator("#figures")).to_contain_text("7 / 12")
        await expect(unit.locator("#live-status")).to_contain_text("पद 10 बदला: मोहन लाल साहू, सत्यापित")
        await expect(same_unit.locator("#seat-10 .chip")).to_have_text("Verified")
        await expect(appointment.locator("#state .chip")).to_have_text("Verified")
        await expect(appointment.locator("#course")).to_contain_text("Verified on the web page")
        await expect(coverage.locator("#totals")).to_contain_text("7 / 48")
        await expect(coverage.locator("tr", has_text="Kolar")).to_contain_text("7 / 12")
        assert complaints == []


async def test_the_mark_of_a_change_goes_after_some_seconds(chromium: str, server: Server, world: World) -> None:
    async with chromium_browser(chromium) as browser, opened(browser, server.base, await world.sign_in()) as page:
        await page.goto("/units/155-1")
        await expect(page.locator(LIVE)).to_be_attached()
        await keep_marks(page)
        await world.record("155-1", "president", Name("नया नाम", "New Name"))
        await expect(page.locator("html")).to_have_attribute(MARKED, "seat-1 अभी")
        await expect(page.locator("#seat-1.changed")).not_to_be_attached()
        await expect(page.locator("#seat-1 .new")).not_to_be_attached()
        await expect(page.locator("#seat-1")).to_contain_text("नया नाम")


async def test_changes_during_a_restart_are_replayed(
    chromium: str, server: Server, world: World, committee: dict[str, UUID]
) -> None:
    async with (
        chromium_browser(chromium) as browser,
        opened(browser, server.base, await world.sign_in(), language="en") as page,
    ):
        await page.goto("/units/155-1")
        await expect(page.locator(LIVE)).to_be_attached()
        server.stop(kill=True)
        await expect(page.locator("html[data-live=off]")).to_be_attached()
        await expect(page.get_by_text("Not live since")).to_be_visible()
        await world.hear(committee["sent"], "verified")
        await world.hear(committee["delivered"], "refused")
        await asyncio.to_thread(server.start)
        await expect(page.locator("#seat-10 .chip")).to_have_text("Verified", timeout=BACK)
        await expect(page.locator("#seat-3 .chip")).to_have_text("Refused")
        await expect(page.locator(LIVE)).to_be_attached()


async def test_a_change_keeps_what_is_typed_and_the_focus(chromium: str, server: Server, world: World) -> None:
    async with chromium_browser(chromium) as browser, opened(browser, server.base, await world.sign_in()) as page:
        await page.goto("/units/155-1")
        await expect(page.locator(LIVE)).to_be_attached()
        await page.evaluate(_ADD_INPUT)
        await page.locator("#typed").fill("आधा लिखा")
        await page.locator("#typed").focus()
        await world.record("155-1", "president", Name("नया नाम", "New Name"))
        await expect(page.locator("#seat-1 .chip")).to_have_text("दर्ज")
        assert await page.locator("#typed").input_value() == "आधा लिखा"
        assert await _focused(page) == "typed"


_ADD_INPUT = """() => {
  const input = Object.assign(document.createElement("input"), {id: "typed", type: "text"});
  document.querySelector(".seats").before(input);
}"""


async def _focused(page: Page) -> str:
    found: str = await page.evaluate("document.activeElement.id")
    return found


async def test_a_page_that_missed_too_much_draws_itself_anew(
    chromium: str, server: Server, world: World, committee: dict[str, UUID]
) -> None:
    async with (
        chromium_browser(chromium) as browser,
        opened(browser, server.base, await world.sign_in(), language="en") as page,
    ):
        await page.goto("/units/155-1")
        await expect(page.locator(LIVE)).to_be_attached()
        server.stop(kill=True)
        await expect(page.locator("html[data-live=off]")).to_be_attached()
        await world.hear(committee["sent"], "verified")
        await world.rows("UPDATE change SET at = at - interval '11 minutes' RETURNING id")
        await asyncio.to_thread(server.start)
        await expect(page.locator("#seat-10 .chip")).to_have_text("Verified", timeout=BACK)
