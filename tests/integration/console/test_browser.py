"""The console in Debian's Chromium: an operator signs in, sees what is wrong, and axe finds nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect
from pydantic import SecretStr

from services.console.app import web
from services.console.service import Watch
from services.console.settings import ConsoleSettings
from shared import events
from shared.bus import DeadLetter, MemoryBroker, Outgoing, Place, Received
from shared.events.codec import Undecodable, encode
from shared.lifecycle import Tasks
from shared.seal import CannotOpen
from shared.telemetry import new_registry
from shared.web import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
SLOWEST = 60_000
"""Milliseconds. Playwright's own 5 s are soon over where a browser begins on a busy machine."""
expect.set_options(timeout=SLOWEST)

TOKEN = "t" * 43
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
APPOINTMENT = UUID(int=2)
ENDED = encode(
    events.AppointmentEnded(
        organisation_id=UUID(int=1), subject=APPOINTMENT, version=3, at=NOW, cycle=1, reason="mistake"
    )
)
RECORD = Outgoing(ENDED.topic, ENDED.key, ENDED.value, ENDED.headers)
LETTER = "/dead/registry.appointments.dead/0/0"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
SIZES: list[tuple[int, Literal["light", "dark"]]] = [(360, "light"), (1280, "dark")]


@pytest.fixture
def broker() -> MemoryBroker:
    """Something waits and something has failed; records are half an hour old."""
    broker = MemoryBroker(lambda: NOW - timedelta(minutes=30))
    for error in (CannotOpen(), Undecodable(part="value", problem="x"), Undecodable(part="value", problem="x")):
        received = Received(Place("registry.appointments", 3), 7, NOW, ENDED.key, ENDED.value, ENDED.headers)
        broker.append(DeadLetter.of(received, error, group="otp", attempts=1, at=NOW).outgoing())
    broker.append(RECORD)
    return broker


@pytest.fixture
async def address(broker: MemoryBroker) -> AsyncIterator[str]:
    """A console that asks for the token."""
    app = web(
        Watch(broker.reader(), lambda: NOW), ConsoleSettings(kafka="nowhere:1", token=SecretStr(TOKEN)), new_registry()
    )
    async with Tasks() as tasks, serving(app, "127.0.0.1", 0, tasks) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"], timeout=2 * SLOWEST)
        yield browser
        await browser.close()


async def signed_in(page: Page, address: str, path: str = "/") -> None:
    """What an operator does first."""
    page.set_default_timeout(SLOWEST)
    await page.goto(address + path)
    await page.get_by_label("Operators’ token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(address + path)


@pytest.mark.parametrize(("width", "theme"), SIZES)
async def test_no_page_has_a_fault_that_axe_finds_scrolls_sideways_or_complains(
    broker: MemoryBroker, address: str, browser: Browser, width: int, theme: Literal["light", "dark"]
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
    context.set_default_timeout(SLOWEST)
    page = await context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    await page.goto(address)
    await _is_sound(page, width)
    await signed_in(page, address)
    await _is_sound(page, width)
    await page.goto(f"{address}{LETTER}")
    await _is_sound(page, width)
    await page.goto(f"{address}/contract")
    await page.evaluate("document.querySelectorAll('details').forEach((each, n) => each.open = n < 2)")
    await _is_sound(page, width)
    await page.goto(f"{address}/tail?appointment={APPOINTMENT}")
    await expect(page.locator(".live[data-state=on]")).to_be_visible()
    await _is_sound(page, width)
    broker.append(RECORD)
    await expect(page.get_by_text("appointment.ended.v1")).to_be_visible()
    await page.get_by_text("7 fields").click()
    await _is_sound(page, width)
    assert trouble == []
    await page.goto(f"{address}/dead/registry.appointments.dead/0/99")
    await expect(page.get_by_role("alert")).to_contain_text("There is no record at")
    await _is_sound(page, width)


async def test_the_overview_keeps_itself_current_and_says_when_it_does_not(
    broker: MemoryBroker, address: str, browser: Browser
) -> None:
    page = await browser.new_page()
    await signed_in(page, address)
    broker.append(RECORD)
    await expect(page.get_by_role("row", name="otp registry.appointments 2")).to_be_visible()
    await page.route("**/overview", lambda route: route.abort())
    await expect(page.get_by_role("status")).to_contain_text("Not current")


async def test_without_javascript_an_operator_signs_in_and_finds_a_dead_letter(address: str, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 360, "height": 800}, java_script_enabled=False)
    context.set_default_timeout(SLOWEST)
    page = await context.new_page()
    await page.goto(f"{address}{LETTER}")
    await page.get_by_label("Operators’ token").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("This is not the operators’ token.")
    await page.get_by_label("Operators’ token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dead letter: seal")
    (cookie,) = await context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in str(cookie)
    await page.get_by_role("link", name="Topics").click()
    await page.get_by_role("link", name="undecodable").click()
    await expect(page.get_by_text("foreign or broken producer")).to_be_visible()
    await page.get_by_role("link", name="Tail").click()
    await expect(page.get_by_text("Without JavaScript, use ./boothline tail")).to_be_visible()


async def _is_sound(page: Page, width: int) -> None:
    found = (await Axe().run(page, options=RULES)).response
    assert [each["id"] for each in found["violations"]] == [], page.url
    assert "equalRatio" not in str(found["incomplete"])
    assert await page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    small = """[...document.querySelectorAll('.btn, nav a, input:not([type=hidden]), main a, summary')]
        .filter(each => each.offsetParent && each.getBoundingClientRect().height < 44 && !each.closest('.note'))
        .map(each => each.outerHTML)"""
    assert await page.evaluate(small) == [], page.url
