"""Pages for operators: one overview, a tail, a dead letter. They work without JavaScript."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sse_starlette import EventSourceResponse

from services.console.domain import RecordRow
from services.console.service import Watch
from shared.assets import Assets
from shared.i18n import ist_moment

HERE = Path(__file__).parents[1]
NO_STORE = {"cache-control": "private, no-store"}


def routes(watch: Watch, assets: Assets) -> APIRouter:
    """The pages, and the fragments that keep them current."""
    router = APIRouter(include_in_schema=False)
    pages = _templates(assets)

    def page(name: str, **values: object) -> Response:
        return HTMLResponse(pages.get_template(name).render(**values), headers=NO_STORE)

    async def overview() -> Mapping[str, object]:
        return {"topics": await watch.topics(), "lags": await watch.lag(), "dead": await watch.dead()}

    @router.get("/")
    async def index() -> Response:
        return page("index.html", **await overview())

    @router.get("/overview")
    async def fragment() -> Response:
        return page("overview.html", **await overview())

    @router.get("/tail")
    async def tail(appointment: Annotated[str, Query(max_length=40)] = "") -> Response:
        return page("tail.html", appointment=appointment.strip())

    @router.get("/tail/live")
    async def live(appointment: str = "") -> Response:
        return EventSourceResponse(
            _frames(pages, watch.tail(appointment.strip() or None, None)), ping=15, send_timeout=10
        )

    @router.get("/dead/{topic}/{partition}/{offset}")
    async def dead(topic: str, partition: int, offset: int) -> Response:
        return page("dead.html", letter=await watch.dead_letter(topic, partition, offset))

    return router


async def _frames(pages: Environment, rows: AsyncIterator[RecordRow | int]) -> AsyncIterator[Mapping[str, str]]:
    fragment = pages.get_template("rows.html")
    async for row in rows:
        if isinstance(row, int):
            yield {"event": "skipped", "data": str(row)}
        else:
            yield {"event": "rows", "data": fragment.render(rows=[row]).replace("\n", "")}


def _templates(assets: Assets) -> Environment:
    pages = Environment(
        loader=FileSystemLoader(HERE / "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pages.globals["asset"] = assets.url
    pages.filters["moment"] = lambda at: ist_moment(at, "en")
    return pages
