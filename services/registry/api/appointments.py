"""Appointments: record, look at, correct, issue again, end."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.registry.api.keys import Keys, once
from services.registry.api.shapes import (
    EndBody,
    PhoneBody,
    RecordBody,
    ReissueBody,
    answer_json,
    appointment_json,
)
from services.registry.domain.commands import Once
from services.registry.domain.principal import Permission, Principal
from services.registry.service import Change, Service
from shared.clock import Clock
from shared.web import json_response


def routes(service: Service, keys: Keys, clock: Clock) -> APIRouter:
    """`/appointments`."""
    router = APIRouter(prefix="/appointments", tags=["appointments"])
    recorder = Annotated[Principal, Depends(keys.may(Permission.RECORD))]
    reader = Annotated[Principal, Depends(keys.may(Permission.READ))]
    repeated = Annotated[Once | None, Depends(once)]

    @router.post("", status_code=201)
    async def record(principal: recorder, body: RecordBody, key: repeated) -> Response:
        """Record an appointment on the first free seat of its post; its person is asked at once (mode live) or when
        they open the link (mode invite)."""
        now = clock()
        answer = await service.recording.record(principal, body.command(now), key, now)
        return json_response(answer_json(answer), status=201 if answer.created else 200)

    @router.get("/{appointment_id}")
    async def show(principal: reader, appointment_id: UUID) -> Response:
        """State, course and messages."""
        return json_response(appointment_json(await service.reading.appointment(principal, appointment_id)))

    @router.post("/{appointment_id}/phone")
    async def correct_phone(principal: recorder, appointment_id: UUID, body: PhoneBody, key: repeated) -> Response:
        """Ask another phone: the next cycle."""
        change = Change(principal, appointment_id, clock(), body.version, key)
        answer = await service.changing.correct_phone(change, body.phone, shared_phone=body.shared_phone)
        return json_response(answer_json(answer))

    @router.post("/{appointment_id}/reissue")
    async def reissue(
        principal: recorder, appointment_id: UUID, key: repeated, body: ReissueBody | None = None
    ) -> Response:
        """Ask the same phone again, after a lock or an expired invitation: the next cycle."""
        version = body.version if body else None
        answer = await service.changing.reissue(Change(principal, appointment_id, clock(), version, key))
        return json_response(answer_json(answer))

    @router.post("/{appointment_id}/end")
    async def end(principal: recorder, appointment_id: UUID, body: EndBody, key: repeated) -> Response:
        """End it; this wins over everything in flight."""
        change = Change(principal, appointment_id, clock(), body.version, key)
        return json_response(answer_json(await service.changing.end(change, body.reason)))

    return router
