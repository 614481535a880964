"""One open page of the portal, for the bench: signs in by the one-time link and hears the page's live stream."""

import html
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp


async def sign_in(link: str) -> aiohttp.ClientSession:
    """A session that is signed in; close it."""
    parts = urlsplit(link)
    origin = f"{parts.scheme}://{parts.netloc}"
    jar, timeout = aiohttp.CookieJar(unsafe=True), aiohttp.ClientTimeout(total=None)
    session = aiohttp.ClientSession(origin, cookie_jar=jar, timeout=timeout)
    headers = {"origin": origin, "sec-fetch-site": "same-origin"}
    async with session.get(parts.path) as page:
        fields = re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', await page.text())
    async with session.post("/sign-in", data=dict(fields), headers=headers) as response:
        response.raise_for_status()
    return session


@asynccontextmanager
async def open_page(session: aiohttp.ClientSession, path: str) -> AsyncIterator[AsyncIterator[float]]:
    """The live stream of a page: yields the moments at which frames came."""
    async with session.get(path) as page:
        found = re.search(r'hx-sse:connect="([^"]+)"', await page.text())
    if not found:
        raise RuntimeError(f"{path} has no live stream")
    async with session.get(html.unescape(found[1])) as stream:
        yield _frames(stream)


async def _frames(stream: aiohttp.ClientResponse) -> AsyncIterator[float]:
    async for line in stream.content:
        if line.startswith(b"data:"):
            yield time.time()
