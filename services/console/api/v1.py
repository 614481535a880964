"""JSON: what `boothline topics | lag | tail | dead` ask for."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from services.console.domain import DeadDetail, DeadRow, LagRow, RecordRow, TopicRow
from services.console.service import Watch


def routes(watch: Watch) -> APIRouter:
    """Everything under /v1."""
    router = APIRouter(prefix="/v1")

    @router.get("/topics")
    async def topics() -> Sequence[TopicRow]:
        return await watch.topics()

    @router.get("/lag")
    async def lag(group: str | None = None) -> Sequence[LagRow]:
        return await watch.lag(group)

    @router.get("/dead")
    async def dead() -> Sequence[DeadRow]:
        return await watch.dead()

    @router.get("/dead/{topic}/{partition}/{offset}")
    async def dead_letter(topic: str, partition: int, offset: int) -> DeadDetail:
        return await watch.dead_letter(topic, partition, offset)

    @router.get("/tail")
    async def tail(
        appointment: Annotated[str | None, "only records about this appointment"] = None, topic: str | None = None
    ) -> StreamingResponse:
        return StreamingResponse(_lines(watch.tail(appointment, topic)), media_type="application/x-ndjson")

    return router


async def _lines(rows: AsyncIterator[RecordRow | int]) -> AsyncIterator[bytes]:
    """One JSON object a line."""
    async for row in rows:
        yield (orjson.dumps({"skipped": row}) if isinstance(row, int) else row.model_dump_json().encode()) + b"\n"
