"""Every page, in both languages, narrow and wide, light and dark: readable, without sideways scrolling, within budget."""

from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Page

from tests.integration.registry_portal.browser import Scheme, chromium_browser, every_page, faults, opened
from tests.integration.registry_portal.conftest import Server
from tests.integration.registry_portal.world import World

pytestmark = pytest.mark.browser

SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, input, select, summary')]
  .filter(e => e.offsetParent && e.type !== 'hidden')
  .map(e => (e.type === 'radio' || e.type === 'checkbox' ? e.closest('.choice') : e))
  .filter(e => !e.matches('p a, li a, .hint a, .skip') || e.matches('nav a, .who a, .foot a'))
  .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .filter(([, box]) => box.height < 24 || box.width < 24)
  .map(([html, box]) => html + ' ' + box.width + 'x' + box.height)"""


@pytest.mark.parametrize("language", ["hi", "en"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits(
    chromium: str,
    server: Server,
    world: World,
    committee: dict[str, UUID],
    tmp_path: Path,
    language: str,
    width: int,
    scheme: Scheme,
) -> None:
    session = await world.sign_in()
    found: dict[str, list[str]] = {}
    async with chromium_browser(chromium) as browser:
        for name, path in every_page(committee):
            complaints: list[str] = []
            signed_in = None if name.startswith("sign-in") else session
            shown = opened(
                browser, server.base, signed_in, language=language, width=width, scheme=scheme, complaints=complaints
            )
            async with shown as page:
                await page.goto(path)
                await page.screenshot(path=tmp_path / f"{name}-{language}-{width}-{scheme}.png", full_page=True)
                problems = [*await faults(page), *await _layout(page, width, language)]
                problems += [text for text in complaints if "404" not in text or name != "missing"]
                if problems:
                    found[name] = problems
    assert found == {}


async def _layout(page: Page, width: int, language: str) -> list[str]:
    problems: list[str] = await page.evaluate(SMALL_TARGETS)
    if (wide := await page.evaluate("document.documentElement.scrollWidth")) > width:
        problems.append(f"{wide} px wide")
    if await page.locator("h1").count() != 1:
        problems.append("not one h1")
    if await page.get_attribute("html", "lang") != language:
        problems.append("wrong language")
    return problems
