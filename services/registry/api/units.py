"""Units: search, committee, channel, subscriptions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from services.registry.api.keys import Keys
from services.registry.api.shapes import ChannelBody, SubscriptionBody, UnsubscriptionBody, line_json, unit_json
from services.registry.domain.commands import UnitQuery, parse_language
from services.registry.domain.principal import Permission, Principal
from services.registry.service import Service
from shared.clock import Clock
from shared.web import json_response

Text = Annotated[str | None, Query(max_length=200)]


def routes(service: Service, keys: Keys, clock: Clock) -> APIRouter:
    """`/units`."""
    router = APIRouter(prefix="/units", tags=["units"])
    reader = Annotated[Principal, Depends(keys.may(Permission.READ))]
    recorder = Annotated[Principal, Depends(keys.may(Permission.RECORD))]
    administrator = Annotated[Principal, Depends(keys.may(Permission.ADMIN))]

    @router.get("")
    async def search(
        principal: reader,
        *,
        code: Text = None,
        parent: Text = None,
        level: Text = None,
        after: Text = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """Units in order of their codes: by the start of the code, by parent, by level. `next` continues."""
        lines = await service.reading.units(principal, UnitQuery(code, parent, level, after, limit))
        following = lines[-1].unit.code if len(lines) == limit else None
        return json_response({"units": [line_json(line) for line in lines], "next": following})

    @router.get("/{code}")
    async def show(principal: reader, code: str) -> Response:
        """Seats, who holds them, what is missing of all and of women."""
        return json_response(unit_json(await service.reading.unit(principal, code)))

    @router.put("/{code}/channel", status_code=204)
    async def set_channel(principal: administrator, code: str, body: ChannelBody) -> Response:
        """Where announcements about this unit, and units below without a channel, are posted."""
        await service.audience.set_channel(principal, code, body.chat_id, clock())
        return Response(status_code=204)

    @router.post("/{code}/subscriptions", status_code=204)
    async def subscribe(principal: recorder, code: str, body: SubscriptionBody) -> Response:
        """Tell somebody about this unit and all below it; twice is once."""
        language = parse_language(body.language, "language") if body.language else None
        await service.audience.subscribe(
            principal,
            code,
            body.name.parse(),
            body.phone,
            clock(),
            language=language,
            gender=body.gender,
            shared_phone=body.shared_phone,
        )
        return Response(status_code=204)

    @router.delete("/{code}/subscriptions", status_code=204)
    async def unsubscribe(principal: recorder, code: str, body: UnsubscriptionBody) -> Response:
        """Tell whoever has this phone no longer."""
        await service.audience.unsubscribe(principal, code, body.phone)
        return Response(status_code=204)

    return router
