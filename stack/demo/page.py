"""The confirm page as a browser without JavaScript uses it: reads the form, sends it back with what was typed."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import aiohttp

from stack.demo.http import Refused


class Page:
    """The page behind the link of one SMS."""

    def __init__(self, session: aiohttp.ClientSession, link: str) -> None:
        """Opens nothing yet."""
        parts = urlsplit(link)
        self._session, self._link = session, link
        self._headers = {"origin": f"{parts.scheme}://{parts.netloc}", "sec-fetch-site": "same-origin"}

    @property
    def handle(self) -> str:
        """The unguessable part, which is also what the t.me link carries."""
        return self._link.rpartition("/")[2]

    async def confirm(self, code: str) -> None:
        """Types the code; a wrong one is answered by the page and raises nothing."""
        await self._send("", code=code)

    async def refuse(self) -> None:
        """Says: this is not me."""
        await self._send("/refuse")

    async def _send(self, suffix: str, **typed: str) -> None:
        async with self._session.get(self._link + suffix) as response:
            form = _Form.of(await response.text())
            if response.status != 200 or not form.method_post:
                raise Refused(f"GET /c/..{suffix}: {response.status}, no form", response.status)
        target = urljoin(self._link + suffix, form.action or "")
        async with self._session.post(target, data={**form.hidden, **typed}, headers=self._headers) as answer:
            if answer.status >= 500:
                raise Refused(f"POST /c/..{suffix}: {answer.status}", answer.status)


class _Form(HTMLParser):
    """The first form of a page that is sent by POST: its action and hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.method_post = False
        self._inside = False

    @classmethod
    def of(cls, page: str) -> "_Form":
        form = cls()
        form.feed(page)
        return form

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(_given(attrs))
        if tag == "form" and not self.method_post and values.get("method", "").lower() == "post":
            self.action, self.method_post, self._inside = values.get("action", ""), True, True
        elif tag == "input" and self._inside and values.get("type") == "hidden":
            self.hidden[values.get("name", "")] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _given(attrs: list[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
    return ((name, value or "") for name, value in attrs)
