"""For the operator: state again what a broker without memory has lost."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.otp.service import Otp
from shared.clock import Clock
from shared.errors import Unauthenticated


class RepublishRequest(BaseModel):
    """From when on."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime


class RepublishResult(BaseModel):
    """How many events were put into the outbox."""

    events: int


def operator_routes(otp: Otp, clock: Clock, key: str) -> APIRouter:
    """`POST /v1/republish`, for who holds `key`. The listener is public, so without a key it is not mounted."""
    router = APIRouter()

    @router.post("/v1/republish")
    async def republish(asked: RepublishRequest, authorization: Annotated[str, Header()] = "") -> RepublishResult:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
            raise Unauthenticated
        return RepublishResult(events=await otp.republish(asked.since, clock()))

    return router
