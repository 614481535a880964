"""JSON over HTTP with time-outs, and problem details as sentences."""

from collections.abc import Mapping
from typing import Any

import aiohttp


class Refused(RuntimeError):
    """A service said no; the text is its own, `status` that of HTTP."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Api:
    """One service's HTTP API."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, token: str = "") -> None:
        """Calls go to `url`, with a bearer token if one is given."""
        self._session, self._url = session, url
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, **query: str | float) -> Any:
        """The JSON of an answer; raises `Refused`."""
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, object] | None = None, **headers: str) -> Any:
        """Sends JSON and returns the JSON of the answer; raises `Refused`."""
        return await self._call("POST", path, json=body or {}, headers={**self._headers, **headers})

    async def put(self, path: str, body: Mapping[str, object]) -> Any:
        """Sets something; raises `Refused`."""
        return await self._call("PUT", path, json=body)

    async def patch(self, path: str, body: Mapping[str, object]) -> Any:
        """Sends a change; raises `Refused`."""
        return await self._call("PATCH", path, json=body)

    async def upload(self, path: str, data: bytes, **query: str) -> Any:
        """Sends a CSV file; raises `Refused`."""
        headers = {**self._headers, "content-type": "text/csv"}
        return await self._call("POST", path, data=data, headers=headers, params=query)

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        more.setdefault("headers", self._headers)
        async with self._session.request(method, self._url + path, **more) as response:
            if response.status < 400:
                return await response.json(content_type=None) if response.status != 204 else None
            raise Refused(f"{method} {path}: {response.status} {_detail(await response.text())}", response.status)


def _detail(text: str) -> str:
    """The first words of a problem; no body of ours is longer."""
    return " ".join(text.split())[:300]
