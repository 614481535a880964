"""What operators ask for: erase a person, publish events again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.registry.api.keys import Keys
from services.registry.api.shapes import RepublishBody
from services.registry.domain.principal import Permission, Principal
from services.registry.service import Service
from shared.clock import Clock
from shared.web import json_response


def routes(service: Service, keys: Keys, clock: Clock) -> APIRouter:
    """`/persons`, `/appointments/{id}/person`, `/republish`."""
    router = APIRouter(tags=["operations"])
    administrator = Annotated[Principal, Depends(keys.may(Permission.ADMIN))]

    @router.delete("/persons/{person_id}", status_code=204)
    async def erase(principal: administrator, person_id: UUID) -> Response:
        """Forget who it was, here and everywhere."""
        await service.operating.erase(principal, person_id, clock())
        return Response(status_code=204)

    @router.delete("/appointments/{appointment_id}/person", status_code=204)
    async def erase_appointee(principal: administrator, appointment_id: UUID) -> Response:
        """The same, by one of their appointments: callers know no person ids."""
        await service.operating.erase_appointee(principal, appointment_id, clock())
        return Response(status_code=204)

    @router.post("/republish")
    async def republish(principal: administrator, body: RepublishBody) -> Response:
        """Publish again the events stated since then, at most of the last 7 days: consumers count each once."""
        return json_response({"events": await service.operating.republish(principal, body.since)})

    return router
