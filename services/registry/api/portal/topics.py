"""What a page can be about, which changes concern it, and the components that those changes redraw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from services.registry.api.portal import views
from services.registry.api.portal.course import appointment_view
from services.registry.api.portal.imports import ImportPages
from services.registry.api.portal.rendering import Renderer
from services.registry.domain.portal import Change
from services.registry.domain.principal import Permission, Principal
from services.registry.store.portal import PortalReads, Snapshot
from shared.events import Language

Ancestry = Mapping[UUID, frozenset[UUID]]
CHILDREN = 1_000
"""Units below one unit that a live page looks at; real ones have at most 318."""


@dataclass(frozen=True, slots=True)
class Committee:
    """The page of a unit."""

    organisation_id: UUID
    unit_id: UUID
    may_record: bool
    pace: ClassVar[float] = 0.0
    """Seconds between two drawings at least."""

    def concerns(self, change: Change, _: Ancestry) -> bool:
        """Whether the page shows what changed."""
        return change.unit_id == self.unit_id


@dataclass(frozen=True, slots=True)
class Below:
    """The coverage of what lies below a unit; None: of the whole organisation."""

    organisation_id: UUID
    unit_id: UUID | None
    pace: ClassVar[float] = 1.0

    def concerns(self, change: Change, ancestry: Ancestry) -> bool:
        """Whether the page shows what changed."""
        if change.unit_id is None or change.organisation_id != self.organisation_id:
            return False
        return self.unit_id is None or self.unit_id in ancestry.get(change.unit_id, frozenset())


@dataclass(frozen=True, slots=True)
class Appointment:
    """The page of an appointment."""

    organisation_id: UUID
    appointment_id: UUID
    principal: Principal
    pace: ClassVar[float] = 0.0

    def concerns(self, change: Change, _: Ancestry) -> bool:
        """Whether the page shows what changed."""
        return change.appointment_id == self.appointment_id


@dataclass(frozen=True, slots=True)
class Import:
    """The page of an import."""

    job_id: UUID
    principal: Principal
    pace: ClassVar[float] = 1.0

    def concerns(self, change: Change, _: Ancestry) -> bool:
        """Whether the page shows what changed; changes do not say which import they are of."""
        return change.kind == "import" and change.organisation_id == self.principal.organisation_id


Topic = Committee | Below | Appointment | Import


class Drawing:
    """Draws the components of a topic as they are now: the same partials as the page's."""

    def __init__(
        self, reads: PortalReads, renderer: Renderer, imports: ImportPages, clock: Callable[[], datetime]
    ) -> None:
        """Reads nothing yet."""
        self._reads = reads
        self._imports = imports
        self._renderer = renderer
        self._clock = clock

    async def fragments(
        self, topic: Topic, language: Language, changes: Sequence[Change], spoken: Sequence[Change]
    ) -> Sequence[bytes]:
        """What `changes` redraw, and the status line about `spoken`; either may be empty. Rows of a table stand in a
        fragment of their own: after anything else a browser would drop their tags."""
        if isinstance(topic, Import):
            return await self._import(topic, language, changes, spoken)
        async with self._reads.snapshot() as snapshot:
            match topic:
                case Committee():
                    return await self._committee(snapshot, topic, language, changes, spoken)
                case Below():
                    return await self._below(snapshot, topic, language, changes, spoken)
                case Appointment():
                    return await self._appointment(snapshot, topic, language, changes, spoken)

    async def _import(
        self, topic: Import, language: Language, changes: Sequence[Change], spoken: Sequence[Change]
    ) -> Sequence[bytes]:
        shown = await self._imports.importing.show(topic.principal, topic.job_id)
        view = await self._imports.view(shown, language)
        line = views.as_of(self._clock(), self._renderer.catalogues[language], language)
        context = {"job": view, "whole": bool(changes), "status_line": line if spoken else None}
        return [self._renderer.fragment("fragments/import.html", language, context)]

    async def _committee(
        self,
        snapshot: Snapshot,
        topic: Committee,
        language: Language,
        changes: Sequence[Change],
        spoken: Sequence[Change],
    ) -> Sequence[bytes]:
        catalogue = self._renderer.catalogues[language]
        context = await views.committee_context(snapshot, topic.unit_id, catalogue, language)
        about = [change.appointment_id for change in (*changes, *spoken) if change.appointment_id]
        moved = await snapshot.seats_of(about)
        seats = [seat for seat in context["committee"].seats if (seat.post_code, seat.ordinal) in moved]
        status = views.what_changed(seats, len(spoken), self._clock(), catalogue, language)
        context |= {
            "redrawn": seats if changes else [],
            "whole": bool(changes),
            "changed": frozenset(seat.anchor for seat in seats),
            "may_record": topic.may_record,
            "status_line": status if spoken else None,
        }
        return [self._renderer.fragment("fragments/unit.html", language, context)]

    async def _below(
        self, snapshot: Snapshot, topic: Below, language: Language, changes: Sequence[Change], spoken: Sequence[Change]
    ) -> Sequence[bytes]:
        catalogue = self._renderer.catalogues[language]
        units = [change.unit_id for change in changes if change.unit_id]
        context: views.Context = {"rows": []}
        if changes:
            touched = {f"row-{child}" for child in await snapshot.towards(units, topic.unit_id)}
            context = await views.coverage_context(snapshot, topic.organisation_id, topic.unit_id, 0, CHILDREN)
            context["rows"] = [row for row in context["rows"] if row.anchor in touched]
        line = views.changed_line(len(spoken), self._clock(), catalogue, language)
        context |= {"whole": bool(changes), "status_line": line if spoken else None}
        return [
            self._renderer.fragment("fragments/rows.html", language, context),
            self._renderer.fragment("fragments/coverage.html", language, context),
        ]

    async def _appointment(
        self,
        snapshot: Snapshot,
        topic: Appointment,
        language: Language,
        changes: Sequence[Change],
        spoken: Sequence[Change],
    ) -> Sequence[bytes]:
        catalogue = self._renderer.catalogues[language]
        course = await snapshot.course(topic.organisation_id, topic.appointment_id, topic.principal.unit_id)
        if course is None:
            return []
        entries = await snapshot.timeline(topic.appointment_id)
        view = appointment_view(course, (), entries, topic.principal, catalogue=catalogue, language=language)
        line = views.changed_line(len(spoken), self._clock(), catalogue, language)
        context = {"view": view, "whole": bool(changes), "status_line": line if spoken else None}
        return [self._renderer.fragment("fragments/appointment.html", language, context)]


async def find_topic(snapshot: Snapshot, principal: Principal, query: Mapping[str, str]) -> Topic | None:
    """What a stream's query names, if this person may see it; None when it names nothing that there is. Raises
    NoSuchUnit."""
    organisation = principal.organisation_id
    if "unit" in query:
        unit = await views.find_unit(snapshot, principal, query["unit"])
        return Committee(organisation, unit.id, principal.may(Permission.RECORD))
    if code := query.get("coverage"):
        return Below(organisation, (await views.find_unit(snapshot, principal, code)).id)
    if "coverage" in query:
        return Below(organisation, principal.unit_id)
    if (job_id := _id(query.get("import"))) and principal.may(Permission.IMPORT):
        return Import(job_id, principal) if await snapshot.may_see_import(principal, job_id) else None
    if appointment_id := _id(query.get("appointment")):
        found = await snapshot.course(organisation, appointment_id, principal.unit_id)
        return Appointment(organisation, appointment_id, principal) if found else None
    return None


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
