"""Look-ups that several use cases begin with."""

from uuid import UUID

from services.registry.domain.failures import NoSuchAppointment, NoSuchUnit, OutOfScope, UnknownPost
from services.registry.domain.ports import Work
from services.registry.domain.principal import Principal
from services.registry.domain.records import Appointment, Post, Unit
from services.registry.domain.statements import Scene


async def find_unit(work: Work, principal: Principal, code: str) -> Unit:
    """The unit, if the principal may touch it. Raises NoSuchUnit, OutOfScope."""
    unit = await work.units.by_code(principal.organisation_id, code)
    if unit is None:
        raise NoSuchUnit(unit=code[:100])
    await check_scope(work, principal, unit)
    return unit


async def check_scope(work: Work, principal: Principal, unit: Unit) -> None:
    """Raise OutOfScope unless the unit is in the principal's part of the organisation."""
    if principal.unit_id is not None and not await work.units.within(unit.id, principal.unit_id):
        raise OutOfScope(field="unit", unit=unit.code)


async def find_post(work: Work, organisation_id: UUID, unit: Unit, code: str) -> Post:
    """The post of the unit's level. Raises UnknownPost."""
    for post in await work.units.posts(organisation_id, unit.level):
        if post.code == code.strip():
            return post
    raise UnknownPost(field="post", post=code[:100], level=unit.level)


async def lock_appointment(work: Work, principal: Principal, appointment_id: UUID) -> Appointment:
    """The appointment, locked, if the principal may touch it. Raises NoSuchAppointment, OutOfScope."""
    appointment = await work.appointments.locked(principal.organisation_id, appointment_id)
    if appointment is None:
        raise NoSuchAppointment
    if principal.unit_id is not None:
        await check_scope(work, principal, await work.units.by_id(appointment.unit_id))
    return appointment


async def scene_of(work: Work, appointment: Appointment) -> Scene:
    """What the appointment is about, in words."""
    unit = await work.units.by_id(appointment.unit_id)
    post = await find_post(work, appointment.organisation_id, unit, appointment.post)
    return Scene(await work.units.organisation(appointment.organisation_id), unit, post)
