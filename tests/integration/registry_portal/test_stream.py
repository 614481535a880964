"""The live stream as bytes on the wire."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx

from tests.integration.registry_portal.conftest import Server
from tests.integration.registry_portal.world import World


@asynccontextmanager
async def streamed(server: Server, session: str, query: str, **headers: str) -> AsyncIterator[httpx.Response]:
    """An open stream."""
    cookies = {"session": session, "language": "en"}
    async with (
        httpx.AsyncClient(base_url=server.base, cookies=cookies, timeout=60) as browser,
        browser.stream("GET", f"/live?{query}", headers=headers) as response,
    ):
        yield response


async def event(response: httpx.Response) -> dict[str, str]:
    """The next event: its fields, data on one line. Signs of life, which come every 15 s, have no data."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(60):
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = fields.get(name, "") + value
            elif "data" in fields:
                return fields
            else:
                fields.clear()
    raise AssertionError("the stream ended")


async def cursor_of(world: World, server: Server, session: str, path: str) -> str:
    """The cursor that the page was drawn at, after all that is committed."""
    await world.everything_shows()
    async with httpx.AsyncClient(base_url=server.base, cookies={"session": session}, timeout=60) as browser:
        found = re.search(r"after=(\d+-\d+)", (await browser.get(path)).text)
    assert found
    return found[1]


async def test_nothing_on_the_way_may_keep_or_delay_a_stream(server: Server, world: World) -> None:
    async with streamed(server, await world.sign_in(), "coverage=") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in response.headers


async def test_the_last_event_id_beats_the_cursor_of_the_address(
    server: Server, world: World, committee: dict[str, UUID]
) -> None:
    session = await world.sign_in()
    old = await cursor_of(world, server, session, "/units/155-1")
    await world.hear(committee["sent"], "verified")
    new = await cursor_of(world, server, session, "/units/155-1")
    assert old != new
    async with streamed(server, session, f"unit=155-1&after={old}") as response:
        replayed = await event(response)
        assert replayed["id"] == new
        assert 'id="seat-10" class="seat verified changed" hx-swap-oob="outerMorph"' in replayed["data"]
        assert 'id="seat-9"' not in replayed["data"]
    async with streamed(server, session, f"unit=155-1&after={old}", **{"last-event-id": new}) as response:
        await world.hear(committee["delivered"], "refused")
        fresh = await event(response)
        assert 'id="seat-3" class="seat refused changed"' in fresh["data"]
        assert 'id="seat-10"' not in fresh["data"]


async def test_a_fragment_is_the_partial_of_its_page(server: Server, world: World, committee: dict[str, UUID]) -> None:
    session = await world.sign_in()
    old = await cursor_of(world, server, session, "/units/155-1")
    await world.hear(committee["sent"], "verified")
    async with streamed(server, session, f"unit=155-1&after={old}") as response:
        data = (await event(response))["data"]
    async with httpx.AsyncClient(
        base_url=server.base, cookies={"session": session, "language": "en"}, timeout=60
    ) as browser:
        page = (await browser.get("/units/155-1")).text
    for part in ("figures", "missing"):
        live = re.search(rf'<(\w+) [^>]*id="{part}".*?</\1>', data)
        shown = re.search(rf'<(\w+) [^>]*id="{part}".*?</\1>', page, re.DOTALL)
        assert live
        assert shown
        assert squeezed(live[0].replace(' hx-swap-oob="outerMorph"', "")) == squeezed(shown[0])


def squeezed(html: str) -> str:
    """Without the blanks between tags."""
    return re.sub(r"\s*(<[^>]*>)\s*", r"\1", html)


async def test_signing_out_ends_the_stream_within_seconds(server: Server, world: World) -> None:
    session = await world.sign_in()
    async with streamed(server, session, "unit=155-1") as response:
        await world.service.gate.sign_out(session)
        async with asyncio.timeout(60):  # of itself a stream ends after 300 s
            async for _ in response.aiter_lines():
                pass


async def test_a_session_has_ten_streams_and_the_eleventh_is_told_when_to_come_back(
    server: Server, world: World
) -> None:
    session = await world.sign_in()
    async with asyncio.TaskGroup() as group:
        opened = asyncio.Semaphore(0)
        done = asyncio.Event()

        async def hold() -> None:
            async with streamed(server, session, "coverage=") as response:
                assert response.status_code == 200
                opened.release()
                await done.wait()

        for _ in range(10):
            group.create_task(hold())
        for _ in range(10):
            await opened.acquire()
        async with streamed(server, session, "coverage=") as refused:
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "30"
        done.set()
