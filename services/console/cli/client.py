"""One HTTP session with the services; what goes wrong becomes a sentence and an exit code."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.console.cli.output import Exit
from shared.settings import settings_of

SILENCE_SECONDS = 60.0
"""An answer that says nothing for so long is given up."""
_STATUS_EXIT = {401: Exit.NOT_ALLOWED, 403: Exit.NOT_ALLOWED, 404: Exit.NOT_FOUND, 422: Exit.USAGE}


class CliSettings(BaseSettings):
    """BOOTHLINE_...: where the services are. Without them, the running `make demo` or `make up` is used."""

    model_config = settings_of("BOOTHLINE_")

    endpoints: Path = Path(__file__).parents[3] / ".run" / "endpoints.json"
    registry_url: str | None = None
    console_url: str | None = None
    api_key: SecretStr | None = None
    console_token: SecretStr | None = None


class Problem(Exception):
    """A command cannot go on: a sentence for the person, an exit code for the script."""

    def __init__(self, text: str, code: Exit) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Service:
    """A service to talk to."""

    url: str
    token: str | None

    @classmethod
    def registry(cls) -> Self:
        """The registry, with a recorder's or an administrator's API key."""
        settings = CliSettings()
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return cls(settings.registry_url or _running("registry"), key or str(_endpoints().get("api_key", "")))

    @classmethod
    def console(cls) -> Self:
        """The console."""
        settings = CliSettings()
        token = settings.console_token.get_secret_value() if settings.console_token else None
        return cls(settings.console_url or _running("console"), token)

    @asynccontextmanager
    async def session(self, *, endless: bool = False) -> AsyncIterator[aiohttp.ClientSession]:
        """A session with this service. Connection errors become Problem, and so does silence within an answer, unless
        it is `endless`."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=None if endless else SILENCE_SECONDS)
        async with aiohttp.ClientSession(self.url, headers=headers, timeout=timeout) as session:
            try:
                yield session
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                raise Problem(
                    f"{self.url} does not answer ({type(error).__name__}). Is it running? Start it with `make up`.",
                    Exit.UNREACHABLE,
                ) from error

    async def get(self, path: str, **query: str | None) -> Any:
        """The JSON at `path`. Raises Problem."""
        async with self.session() as session, session.get(path, params=_given(query)) as response:
            return await answer(response)


async def answer(response: aiohttp.ClientResponse) -> Any:
    """The JSON of a good response. Raises Problem with the detail of problem details."""
    if response.status < 400:
        return await response.json(content_type=None)
    try:
        body = await response.json(content_type=None)
        text = body.get("detail") or body.get("title") or response.reason
        field = f" ({body['field']})" if body.get("field") else ""
    except (ValueError, AttributeError):
        text, field = response.reason, ""
    raise Problem(f"{text}{field}", _STATUS_EXIT.get(response.status, Exit.FAILED))


def _given(query: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}


def _endpoints() -> dict[str, Any]:
    path = CliSettings().endpoints
    try:
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Problem(
            f"{path} cannot be read ({type(error).__name__}). Start again with `make up`.", Exit.FAILED
        ) from None
    return loaded


def _running(service: str) -> str:
    url = _endpoints().get("services", {}).get(service)
    if not url:
        raise Problem(
            f"Nothing says where the {service} is. Start it with `make up`, or set BOOTHLINE_{service.upper()}_URL.",
            Exit.UNREACHABLE,
        )
    return str(url)


def interactive() -> bool:
    """Whether a person watches, so that progress may be drawn."""
    return sys.stderr.isatty()
