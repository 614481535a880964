"""Recording many at once: which may be decided together, and what becomes of each."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.registry.domain.commands import Answer, Once, Record
from services.registry.domain.failures import OutOfScope, RefTaken, SeatTaken, UnknownPost, UnknownUnit
from services.registry.domain.phonebook import Phone, Phonebook, choose_holder
from services.registry.domain.principal import Principal
from services.registry.domain.records import Appointment, Gender, Holder, Organisation, Post, Unit
from services.registry.domain.statements import INVITATION_DAYS, Scene
from services.registry.domain.states import State
from shared import ids


@dataclass(frozen=True, slots=True)
class Asked:
    """One recording that somebody waits for."""

    principal: Principal
    command: Record
    phone: Phone = field(repr=False)
    now: datetime
    once: Once | None = None
    trace: str | None = None
    """Trace context of the request."""

    @property
    def organisation_id(self) -> UUID:
        """Whose appointment it will be."""
        return self.principal.organisation_id

    def marks(self) -> list[tuple[object, ...]]:
        """What two recordings must not share to be decided together: the second depends on the first."""
        marks: list[tuple[object, ...]] = [("phone", fingerprint) for fingerprint in self.phone.fingerprints.values()]
        if self.command.external_ref is not None:
            marks.append(("ref", self.organisation_id, self.command.external_ref))
        if self.once is not None:
            marks.append(("once", self.organisation_id, self.principal.account_id, self.once.key))
        return marks


@dataclass(frozen=True, slots=True)
class Site:
    """Where an appointment would stand."""

    organisation: Organisation
    unit: Unit
    post: Post | None
    """None: the unit's level has no such post."""
    in_scope: bool
    """Whether the principal may touch the unit."""
    taken: Sequence[int]
    """Ordinals that are held."""
    first_holder: UUID | None
    """The appointment on the first of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who has the phone already."""

    holder: Holder
    gender: Gender | None


@dataclass(frozen=True, slots=True)
class Placing:
    """An appointment to be written, with its person: new ones with phone and all, known ones as completed."""

    asked: Asked
    appointment: Appointment
    scene: Scene
    holder: Holder
    is_new_person: bool
    completes: bool
    """The known person's name or gender is told more of."""

    @property
    def answer(self) -> Answer:
        """What the caller is told once it is written."""
        return answer_of(self.appointment, self.scene, self.asked.phone.last3)


def round_of(asked: Mapping[int, Asked]) -> list[int]:
    """Which may be decided together, in order: each phone, reference and key once. Once a recording has to wait, so do
    later ones of its unit: the first takes the first seat."""
    seen: set[tuple[object, ...]] = set()
    waiting_units: set[str] = set()
    taken: list[int] = []
    for number, each in asked.items():
        marks, unit = each.marks(), each.command.unit.strip().casefold()
        if unit in waiting_units or not seen.isdisjoint(marks):
            waiting_units.add(unit)
        else:
            taken.append(number)
        seen.update(marks)
    return taken


class Seats:
    """The seats that a round gives away."""

    def __init__(self) -> None:
        """None yet."""
        self._given: dict[tuple[UUID, str], set[int]] = defaultdict(set)

    def take(self, scene: Scene, site: Site) -> int:
        """The first free ordinal. Raises SeatTaken, which names whose seat it is."""
        unit, post = scene.unit, scene.post
        given = self._given[unit.id, post.code]
        held = {*site.taken, *given}
        for ordinal in range(1, post.seats + 1):
            if ordinal not in held:
                given.add(ordinal)
                return ordinal
        holder = str(site.first_holder) if site.first_holder else None
        raise SeatTaken(field="post", post=post.code, unit=unit.code, appointment=holder)


def scene_at(asked: Asked, site: Site | None) -> Scene:
    """What the appointment is about, if the principal may record there. Raises UnknownUnit, OutOfScope, UnknownPost."""
    command = asked.command
    if site is None:
        raise UnknownUnit(field="unit", unit=command.unit[:100])
    if not site.in_scope:
        raise OutOfScope(field="unit", unit=site.unit.code)
    if site.post is None:
        raise UnknownPost(field="post", post=command.post[:100], level=site.unit.level)
    return Scene(site.organisation, site.unit, site.post)


def check_reference(asked: Asked, scene: Scene, known: Appointment | None) -> Appointment | None:
    """The appointment that this very import row recorded before, by its reference. Raises RefTaken."""
    if known is None:
        return None
    if not asked.command.unchanged_if_known or (known.unit_id, known.post) != (scene.unit.id, scene.post.code):
        raise RefTaken(field="external_ref", appointment=str(known.id))
    return known


def import_person(asked: Asked, found: Collection[Found]) -> tuple[bool, UUID | None]:
    """Whether an import row without reference can be known, and of which person (None: whoever has the phone). Of two
    who share a phone each may hold a seat of one post."""
    if not asked.command.shared_phone:
        return True, None
    holder = choose_holder(asked.command.name, [each.holder for each in found], shared_phone=True)
    return holder is not None, holder.person_id if holder else None


def place(
    asked: Asked, scene: Scene, site: Site, found: Sequence[Found], *, seats: Seats, phonebook: Phonebook
) -> Placing:
    """A new appointment of the person who has this phone and name, or of a new one. Raises PhoneShared, SeatTaken."""
    command = asked.command
    holder = choose_holder(command.name, [each.holder for each in found], shared_phone=command.shared_phone)
    completes = is_new = False
    if holder is None:
        person, is_new = ids.new_id(), True
        holder = Holder(person, command.name, phonebook.contact(ids.new_id(), person, asked.phone))
    else:
        before = next(each for each in found if each.holder.person_id == holder.person_id)
        completes = holder.name != before.holder.name or (before.gender is None and command.gender is not None)
    appointment = _appointment(asked, scene, holder, seats.take(scene, site))
    return Placing(asked, appointment, scene, holder, is_new, completes)


def _appointment(asked: Asked, scene: Scene, holder: Holder, seat: int) -> Appointment:
    command, now = asked.command, asked.now
    return Appointment(
        id=ids.new_id(),
        organisation_id=asked.organisation_id,
        unit_id=scene.unit.id,
        level=scene.unit.level,
        post=scene.post.code,
        seat=seat,
        person_id=holder.person_id,
        contact_id=holder.contact.id,
        state=State.RECORDED,
        state_at=now,
        cycle=1,
        version=1,
        mode=command.mode,
        language=command.language or scene.organisation.language,
        external_ref=command.external_ref,
        notice=command.notice,
        recorder=asked.principal.name,
        recorded_by=asked.principal.account_id,
        recorded_at=now,
        invited_at=now,
        not_after=now + INVITATION_DAYS,
    )


def answer_of(appointment: Appointment, scene: Scene, last3: str, *, created: bool = True) -> Answer:
    """What recording use cases answer."""
    return Answer(
        appointment_id=appointment.id,
        unit=scene.unit.code,
        post=scene.post.code,
        seat=appointment.seat,
        state=appointment.state.value,
        cycle=appointment.cycle,
        version=appointment.version,
        phone=f"*******{last3}",
        not_after=appointment.not_after,
        created=created,
    )
