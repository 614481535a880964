"""Chromium on the portal: signed in, and every complaint of the browser is a failure."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import UUID

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}

Scheme = Literal["light", "dark"]

SECONDS = 60
"""For whatever a page is to do or show: other browsers and servers work on the same machine."""
expect.set_options(timeout=SECONDS * 1000)


@asynccontextmanager
async def chromium_browser(path: str) -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=120_000)
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser,
    base: str,
    session: str | None,
    *,
    language: str = "hi",
    width: int = 360,
    scheme: Scheme = "light",
    script: bool = True,
    complaints: list[str] | None = None,
) -> AsyncIterator[Page]:
    """A page of a browser of its own; what its console complains about goes to `complaints`."""
    context = await browser.new_context(
        base_url=base,
        viewport={"width": width, "height": 740},
        locale="hi-IN",
        timezone_id="Asia/Kolkata",
        reduced_motion="reduce",
        color_scheme=scheme,
        java_script_enabled=script,
    )
    cookies: list[Any] = [{"name": "language", "value": language, "url": base}]
    if session:
        cookies.append({"name": "session", "value": session, "url": base})
    await context.add_cookies(cookies)
    page = await context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    heard = complaints if complaints is not None else []
    page.on("console", lambda message: heard.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    yield page
    await context.close()


def every_page(committee: dict[str, UUID]) -> Sequence[tuple[str, str]]:
    """Name and path of every page that is reached by GET."""
    return [
        ("coverage", "/"),
        ("coverage-assembly", "/coverage/ac-155"),
        ("unit", "/units/155-1"),
        ("unit-empty", "/units/155-3"),
        ("appointment-verified", f"/appointments/{committee['verified']}"),
        ("appointment-locked", f"/appointments/{committee['locked']}"),
        ("appointment-sent", f"/appointments/{committee['sent']}?done=recorded"),
        ("appointment-refused", f"/appointments/{committee['refused']}"),
        ("record", "/units/155-1/record?post=member"),
        ("phone", f"/appointments/{committee['failed']}/phone"),
        ("reissue", f"/appointments/{committee['locked']}/reissue"),
        ("end", f"/appointments/{committee['verified']}/end"),
        ("imports", "/imports"),
        ("notice", "/notice"),
        ("sign-in", "/sign-in/some-token"),
        ("sign-in-plain", "/sign-in"),
        ("missing", "/units/no-such-unit"),
    ]


async def faults(page: Page) -> list[str]:
    """What axe finds, text in its own background's colour included (axe calls that only incomplete)."""
    response = (await Axe().run(page, options=AXE)).response
    found = [f"{item['id']}: {[node['target'] for node in item['nodes']]}" for item in response["violations"]]
    for item in response["incomplete"]:
        found += [f"equalRatio: {node['target']}" for node in item["nodes"] if "equalRatio" in str(node)]
    return found
