"""A kind of organisation as data: levels, posts with seats, composition rules, and the columns of its lists."""

import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from services.registry.domain.failures import CellMissing, NumberMalformed
from shared.events import Label, Language

_NUMBER = re.compile(r"0*(\d{1,6})\s*-?\s*([A-Za-z]?)")


class Shape(BaseModel):
    """A part of a preset; a misspelled key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LevelShape(Shape):
    """A level; they are listed from the top."""

    code: str
    name: Label


class PostShape(Shape):
    """A post of a level."""

    level: str
    code: str
    name: Label
    seats: int


class RuleShape(Shape):
    """What a committee of a level needs at least."""

    level: str
    kind: Literal["women"]
    minimum: int


class StepShape(Shape):
    """How a row of the unit list names its unit of one level. A step whose `needs` are empty in a row is skipped:
    real lists have no mandals."""

    level: str
    code: str
    """Template of column names: `{ac_no}-{part_no}`; numbers lose leading zeros, words become slugs."""
    needs: tuple[str, ...] = ()
    """Columns that must not be empty for this step to count; at the last step an empty one is an error."""
    number: str | None = None
    """Column of the number that people say."""
    name_en: str | None = None
    name_hi: str | None = None
    """Columns of the names."""
    name: Label | None = None
    """The name, where the list does not say it."""


class ListShape(Shape):
    """The columns of a unit list."""

    required: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    """Columns that hold a number such as 12, 012, 12A."""
    path: tuple[StepShape, ...]
    """From the top; the last step is the row's own unit."""


class Preset(Shape):
    """A kind of organisation."""

    code: str
    organisation: Label
    language: Language
    levels: tuple[LevelShape, ...]
    posts: tuple[PostShape, ...]
    rules: tuple[RuleShape, ...] = ()
    units: ListShape

    @model_validator(mode="after")
    def _levels_exist(self) -> "Preset":
        known = {level.code for level in self.levels}
        used = {post.level for post in self.posts}
        used |= {rule.level for rule in self.rules} | {step.level for step in self.units.path}
        if not used <= known:
            raise ValueError(f"levels that are used but not listed: {sorted(used - known)}")
        return self

    def level_label(self, code: str) -> Label:
        """The level's name."""
        return next(level.name for level in self.levels if level.code == code)


@dataclass(frozen=True, slots=True)
class Step:
    """One unit that a row of a list names."""

    level: str
    code: str
    number: str | None
    position: int
    name_en: str | None
    name_hi: str | None


def path_of(row: Mapping[str, str], shape: ListShape) -> Sequence[Step]:
    """The units that `row` (cleaned cells by column) names, from the top; the last one is the row's own. Raises
    CellMissing, NumberMalformed: with the column as field."""
    cells = dict(row)
    for column in shape.numbers:
        if cells.get(column):
            cells[column] = clean_number(cells[column], column)
    own = shape.path[-1]
    for column in own.needs:
        if not cells.get(column):
            raise CellMissing(field=column)
    return [_step(cells, step) for step in shape.path if all(cells.get(column) for column in step.needs)]


def clean_number(raw: str, column: str) -> str:
    """`012` as 12, `2 - a` as 2A. Raises NumberMalformed: also for two numbers in one cell."""
    match = _NUMBER.fullmatch(raw.strip())
    if match is None or match[1] == "0":
        raise NumberMalformed(field=column)
    return match[1] + match[2].upper()


def _step(cells: Mapping[str, str], step: StepShape) -> Step:
    number = cells.get(step.number) if step.number else None
    name_en = (cells.get(step.name_en) if step.name_en else None) or (step.name.en if step.name else None)
    name_hi = (cells.get(step.name_hi) if step.name_hi else None) or (step.name.hi if step.name else None)
    code = step.code.format(**{name: _slug(cells.get(name, "")) for name in _columns_in(step.code)})
    digits = re.match(r"\d+", number or "")
    return Step(
        level=step.level,
        code=code,
        number=number or None if name_en or name_hi or number else code,
        position=int(digits[0]) if digits else 0,
        name_en=name_en or None,
        name_hi=name_hi or None,
    )


@lru_cache(maxsize=100)
def _columns_in(template: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(template) if name)


def _slug(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text.lower()
    folded = unicodedata.normalize("NFC", text).strip().casefold()
    kept = "".join(char if unicodedata.category(char)[0] in "LMN" else "-" for char in folded)
    return re.sub(r"-+", "-", kept).strip("-")
