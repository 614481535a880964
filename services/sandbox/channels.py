"""HTTP out: how receipts, inbound messages and webhook updates reach the sandbox's callers."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from services.sandbox.domain.answer import Answer


class HttpPost:
    """Posts over one session; a callee that cannot be reached or does not answer in time is status 0."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, json: Any = None, headers: Mapping[str, str]
    ) -> Answer:
        """One attempt. Redirects are not followed."""
        try:
            async with self._session.post(
                url, data=form, json=json, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
                wait = response.headers.get("Retry-After", "")
                return Answer(response.status, float(wait) if wait.isdigit() else 0.0)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return Answer(0)


def session() -> aiohttp.ClientSession:
    """A session whose calls end after 15 s, Twilio's and Telegram's own order of patience."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15), trust_env=False)
