"""What the API shows: units with their committees, appointments with their course. Never a full name or phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.registry.domain.commands import UnitQuery
from services.registry.domain.committee import Committee
from services.registry.domain.failures import NoSuchAppointment
from services.registry.domain.ports import Store
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import Appointment, Delivery, Holder, TimelineEntry, Told, Unit, UnitLine
from services.registry.domain.statements import Scene
from services.registry.service.scenes import check_scope, find_unit, scene_of


@dataclass(frozen=True, slots=True)
class AppointmentView:
    """An appointment and its course."""

    appointment: Appointment
    scene: Scene
    holder: Holder | None
    """None once erased."""
    timeline: Sequence[TimelineEntry]
    deliveries: Sequence[Delivery]
    announced: Sequence[Told]


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit and its committee."""

    unit: Unit
    committee: Committee


class Reading:
    """Reads."""

    def __init__(self, store: Store) -> None:
        """Nothing is opened."""
        self._store = store

    async def appointment(self, principal: Principal, appointment_id: UUID) -> AppointmentView:
        """One appointment. Raises NotPermitted, NoSuchAppointment, OutOfScope."""
        principal.require(Permission.READ)
        async with self._store.transaction() as work:
            appointment = await work.appointments.get(principal.organisation_id, appointment_id)
            if appointment is None:
                raise NoSuchAppointment
            scene = await scene_of(work, appointment)
            await check_scope(work, principal, scene.unit)
            contact = appointment.contact_id
            return AppointmentView(
                appointment=appointment,
                scene=scene,
                holder=await work.people.holder(appointment.person_id, contact) if contact else None,
                timeline=await work.appointments.timeline(appointment_id),
                deliveries=await work.appointments.deliveries(appointment_id),
                announced=await work.appointments.announced(appointment_id),
            )

    async def units(self, principal: Principal, query: UnitQuery) -> Sequence[UnitLine]:
        """Units in order of their codes, within the principal's scope. Raises NotPermitted."""
        principal.require(Permission.READ)
        async with self._store.transaction() as work:
            return await work.units.search(principal.organisation_id, query, principal.unit_id)

    async def unit(self, principal: Principal, code: str) -> UnitView:
        """One unit: held seats, what is missing of all and of women. Raises NotPermitted, NoSuchUnit, OutOfScope."""
        principal.require(Permission.READ)
        async with self._store.transaction() as work:
            unit = await find_unit(work, principal, code)
            committee = Committee(
                posts=await work.units.posts(principal.organisation_id, unit.level),
                held=await work.units.seats(unit.id),
                women_minimum=await work.units.women_minimum(principal.organisation_id, unit.level),
            )
            return UnitView(unit, committee)
