"""Every page, in both languages, narrow and wide, light and dark: readable, and without sideways scrolling."""

from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.integration.registry_portal.browser import Scheme, chromium_browser, every_page, faults, opened
from tests.integration.registry_portal.conftest import Server
from tests.integration.registry_portal.world import World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]  # a minute for twenty pages; many on a busy machine

SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, input, select, summary')]
  .filter(e => e.offsetParent && e.type !== 'hidden')
  .map(e => (e.type === 'radio' || e.type === 'checkbox' ? e.closest('.choice') : e))
  .filter(e => !e.matches('p a, li a, .hint a, .skip') || e.matches('nav a, .who a, .foot a'))
  .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .filter(([, box]) => box.height < 24 || box.width < 24)
  .map(([html, box]) => html + ' ' + box.width + 'x' + box.height)"""


LOOKS: list[tuple[str, int, Scheme]] = [
    (language, width, scheme) for language in ("hi", "en") for width in (360, 1280) for scheme in ("light", "dark")
]
OFTEN: list[tuple[str, int, Scheme]] = [("hi", 360, "light")]
"""The look of most people; the others take minutes and run with the slow tests."""


@pytest.mark.parametrize(
    "look",
    [pytest.param(look, marks=[] if look in OFTEN else [pytest.mark.slow]) for look in LOOKS],
    ids=lambda look: "-".join(map(str, look)),
)
async def test_every_page_is_accessible_and_fits(
    chromium: str, server: Server, world: World, tmp_path: Path, *, look: tuple[str, int, Scheme]
) -> None:
    language, width, scheme = look
    committee = await world.add_committee()
    job = await world.add_import()
    pages = [*every_page(committee), ("import", f"/imports/{job}"), ("record-wrong", "/units/155-1/record?post=member")]
    session = await world.sign_in()
    found: dict[str, list[str]] = {}
    async with chromium_browser(chromium) as browser:
        for name, path in pages:
            complaints: list[str] = []
            signed_in = None if name.startswith("sign-in") else session
            shown = opened(
                browser, server.base, signed_in, language=language, width=width, scheme=scheme, complaints=complaints
            )
            async with shown as page:
                await page.goto(path)
                if name == "record-wrong":
                    await page.locator("form.form button").click()
                    await page.locator("[role=alert]").wait_for()
                await page.screenshot(path=tmp_path / f"{name}-{language}-{width}-{scheme}.png", full_page=True)
                problems = [*await faults(page), *await _layout(page, width, language)]
                problems += [
                    text
                    for text in complaints
                    if not (name in {"missing", "record-wrong"} and "Failed to load resource" in text)
                ]
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
