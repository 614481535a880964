"""Imports as data: jobs, what is known of units, and what a chunk of rows adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.registry.domain.failures import DuplicateUnit, OtherParent, UnknownUnit
from services.registry.domain.preset import Step
from services.registry.domain.sheet import Reject, Row, UnitRow
from services.registry.domain.vault import Box
from shared import ids

Kind = Literal["units", "appointments"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How far an import is."""

    bytes: int = 0
    rows: int = 0
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """An import."""

    id: UUID
    kind: Kind
    preset: str | None
    state: Literal["running", "done", "failed"]
    problem: str | None
    problem_details: Mapping[str, object] | None
    encoding: str | None
    columns: Sequence[str] | None
    total_bytes: int
    counts: Counts
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptReject:
    """One thing that is wrong with one row, as it is stored."""

    row: int
    problem: int
    column: str | None
    code: str
    details: Mapping[str, object]
    cells: Box = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownUnit:
    """A unit that is there, or will be with this chunk."""

    id: UUID
    level: str
    names: tuple[str | None, str | None]
    """Hindi, English."""
    above: tuple[UUID, ...]
    """Itself, its parent, and so on to the top."""
    from_this_file: bool = False


@dataclass(frozen=True, slots=True)
class NewUnit:
    """A unit to add."""

    step: Step
    known: KnownUnit


@dataclass
class UnitChunk:
    """What some rows of a unit list add to what is known. Rows are taken whole or rejected whole."""

    known: dict[str, KnownUnit]
    """By code: every unit that the rows name and that is there already."""
    added: list[NewUnit] = field(default_factory=list)
    renamed: list[tuple[UUID, Step]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    accepted: int = 0
    unchanged: int = 0

    def take(self, row: Row, wanted: UnitRow) -> None:
        """Take a row: its missing units are added from the top down. Rejected: another parent, the same code twice
        in the file with different names, a parent that is not there."""
        try:
            added, own = self._place(wanted)
            self._take_own(wanted.steps[-1], own, is_new=bool(added) and added[-1].known is own)
        except (OtherParent, DuplicateUnit, UnknownUnit) as failure:
            self.rejects.append(Reject(row, [failure]))
            return
        self.added += added
        self.known |= {new.step.code: new.known for new in added}

    def _place(self, wanted: UnitRow) -> tuple[list[NewUnit], KnownUnit]:
        added: list[NewUnit] = []
        above = self._parent(wanted)
        unit: KnownUnit | None = None
        for step in wanted.steps:
            unit = self.known.get(step.code)
            if unit is None:
                identity = ids.new_id()
                names = (step.name_hi, step.name_en)
                unit = KnownUnit(identity, step.level, names, (identity, *above), from_this_file=True)
                added.append(NewUnit(step, unit))
            elif unit.above[1:] != above or unit.level != step.level:
                raise OtherParent(field="code", unit=step.code)
            above = unit.above
        assert unit is not None
        return added, unit

    def _parent(self, wanted: UnitRow) -> tuple[UUID, ...]:
        if wanted.parent is None:
            return ()
        parent = self.known.get(wanted.parent)
        if parent is None:
            raise UnknownUnit(field="parent", unit=wanted.parent[:100])
        return parent.above

    def _take_own(self, step: Step, own: KnownUnit, *, is_new: bool) -> None:
        names = (step.name_hi, step.name_en)
        if is_new:
            self.accepted += 1
        elif all(new is None or new == old for new, old in zip(names, own.names, strict=True)):
            self.unchanged += 1
        elif own.from_this_file:
            raise DuplicateUnit(field="code", unit=step.code)
        else:
            self.renamed.append((own.id, step))
            self.known[step.code] = KnownUnit(own.id, own.level, names, own.above, from_this_file=True)
            self.accepted += 1
