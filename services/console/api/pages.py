"""Pages for operators: one overview, a tail, a dead letter. They work without JavaScript."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sse_starlette import EventSourceResponse

from services.console.domain import RecordRow, duration
from services.console.service import Watch
from shared.assets import Assets
from shared.errors import Failure
from shared.i18n import ist_moment

HERE = Path(__file__).parents[1]
NO_STORE = {"cache-control": "private, no-store"}


@dataclass(frozen=True, slots=True)
class Renderer:
    """The templates."""

    templates: Environment

    def show(self, name: str, *, status: int = 200, **values: object) -> Response:
        """The page `name` with these values."""
        return HTMLResponse(self.templates.get_template(name).render(**values), status, headers=NO_STORE)

    async def answered(self, page: Awaitable[Response]) -> Response:
        """The page, or one that says why there is none."""
        try:
            return await page
        except Failure as failure:
            return self.show("problem.html", status=failure.status, failure=failure)


def routes(watch: Watch, page: Renderer) -> APIRouter:
    """The pages, and the fragments that keep them current."""
    router = APIRouter(include_in_schema=False)

    async def overview(name: str) -> Response:
        return page.show(name, topics=await watch.topics(), lags=await watch.lag(), dead=await watch.dead())

    async def letter(topic: str, partition: int, offset: int) -> Response:
        return page.show("dead.html", letter=await watch.dead_letter(topic, partition, offset))

    @router.get("/")
    async def index() -> Response:
        return await page.answered(overview("index.html"))

    @router.get("/overview")
    async def fragment() -> Response:
        return await overview("overview.html")

    @router.get("/tail")
    async def tail(appointment: Annotated[str, Query(max_length=40)] = "") -> Response:
        return page.show("tail.html", appointment=appointment.strip())

    @router.get("/tail/live")
    async def live(appointment: str = "") -> Response:
        rows = watch.tail(appointment.strip() or None, None)
        return EventSourceResponse(_frames(page.templates, rows), ping=15, send_timeout=10)

    @router.get("/dead/{topic}/{partition}/{offset}")
    async def dead(topic: str, partition: int, offset: int) -> Response:
        return await page.answered(letter(topic, partition, offset))

    return router


async def _frames(pages: Environment, rows: AsyncIterator[RecordRow | int]) -> AsyncIterator[Mapping[str, str]]:
    fragment = pages.get_template("rows.html")
    async for row in rows:
        if isinstance(row, int):
            yield {"event": "skipped", "data": str(row)}
        else:
            yield {"event": "rows", "data": fragment.render(rows=[row]).replace("\n", "")}


def renderer(assets: Assets) -> Renderer:
    """Renders the templates of `pages/`."""
    pages = Environment(
        loader=FileSystemLoader(HERE / "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pages.globals["asset"] = assets.url
    pages.filters["duration"] = duration
    pages.filters["moment"] = lambda at: ist_moment(at, "en")
    return Renderer(pages)
