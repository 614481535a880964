"""For the operator: state again what a broker without memory has lost."""

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Header
from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.errors import Unauthenticated


class RepublishRequest(BaseModel):
    """From when on."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime


class RepublishResult(BaseModel):
    """How many events were put into the outbox again."""

    events: int


class Again(Protocol):
    """The outbox."""

    async def again(self, since: datetime) -> int:
        """State everything since then again."""


def routes(outbox: Again, stated: Callable[[], None], key: str) -> APIRouter:
    """`POST /v1/republish`, for who holds `key`. The listener is public, so without a key it is not mounted."""
    router = APIRouter()

    @router.post("/v1/republish")
    async def republish(asked: RepublishRequest, authorization: Annotated[str, Header()] = "") -> RepublishResult:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            raise Unauthenticated
        events = await outbox.again(asked.since)
        stated()
        return RepublishResult(events=events)

    return router
