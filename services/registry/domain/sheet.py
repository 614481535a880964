"""Tables as people send them: columns, rows, and the traps of real lists."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.registry.domain.failures import (
    CellMissing,
    CodeMalformed,
    NameLegacyFont,
    NameTooLong,
    NameWrongScript,
    NumberMalformed,
    RowWidth,
    UnknownLevel,
    WrongColumns,
)
from services.registry.domain.names import DEVANAGARI, clean_text
from services.registry.domain.preset import Preset, Step, path_of
from shared.errors import Failure

ADDED = ("_row", "_code", "_message")
"""What a reject file has more than the upload: ignored when it is uploaded again."""
_FORMULA = frozenset("=+-@\t\r")
_TREE = ("level", "code", "parent")
_UNIT_NAME_LIMIT = 200
_CODE_LIMIT = 200
_CODE_SIGNS = frozenset("-._")
"""Codes stand in addresses of pages: no slash, no blank, no sign with a meaning there."""
_NUMBER_LIMIT = 20
_PHONE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A row as written. `number` is the spreadsheet's: the header is row 1, empty rows count."""

    number: int
    cells: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken, with everything that is wrong with it."""

    row: Row
    problems: Sequence[Failure]


class Header:
    """The columns of a file, in the order of the file."""

    def __init__(self, written: Sequence[str], encoding: str) -> None:
        """`written` as it stands in the file."""
        self.written = tuple(written)
        self.encoding = encoding
        self.columns = tuple(plain(cell) for cell in written)
        """Plain names: `AC No.` is ac_no."""
        self.is_tree = set(_TREE) <= set(self.columns)
        """Whether the rows name level, code and parent themselves."""

    def require(self, columns: Sequence[str]) -> None:
        """Raise WrongColumns, once for the file, unless all are there."""
        missing = [column for column in columns if column not in self.columns]
        if missing:
            raise WrongColumns(missing=", ".join(missing), found=self._found())

    def _found(self) -> str:
        """The columns, unless it is a row of people that stands where the header is missing."""
        if any(sum(char.isdigit() for char in column) >= _PHONE_DIGITS for column in self.columns):
            return "…"
        return ", ".join(self.columns)[:300]

    def skips(self, row: Row) -> bool:
        """Whether the row says nothing: empty, or the header once more in mid-file."""
        first = next((number for number, cell in enumerate(row.cells) if cell and not cell.isspace()), None)
        if first is None:
            return True
        if first >= len(self.columns) or plain(row.cells[first]) != self.columns[first]:
            return False
        return tuple(plain(cell) for cell in row.cells) == self.columns

    def cells(self, row: Row) -> dict[str, str]:
        """The row's cells by column, cleaned. Raises RowWidth."""
        cells = list(row.cells)
        while len(cells) > len(self.written) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(self.written):
            raise RowWidth(found=len(cells), expected=len(self.written))
        return {column: clean_cell(cell) for column, cell in zip(self.columns, cells, strict=True)}


def plain(cell: str) -> str:
    """A column's name without case, spaces and signs; the added ones keep their underscore."""
    text = cell.strip().lstrip("\ufeff").casefold()
    return text if text in ADDED else re.sub(r"\W+", "_", text).strip("_")


def clean_cell(cell: str) -> str:
    """One line without odd spaces, and without the apostrophe that keeps Excel from calculating."""
    text = clean_text(cell) or ""
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA else text


def safe_cell(cell: str) -> str:
    """A cell as we export it: Excel must not calculate what somebody typed."""
    return f"'{cell}" if cell[:1] in _FORMULA else cell


@dataclass(frozen=True, slots=True)
class UnitRow:
    """The units that a row names, from the top; the last is its own."""

    steps: Sequence[Step]
    parent: str | None = None
    """Code of the unit above the first step, in lists that name parents."""


def check_unit_columns(header: Header, preset: Preset) -> None:
    """Raise WrongColumns unless the file is a list as the preset says, or a tree (level, code, parent)."""
    if not header.is_tree:
        header.require(preset.units.required)


def unit_row(header: Header, row: Row, preset: Preset) -> UnitRow:
    """What a row of a unit list says. Raises CellMissing, NumberMalformed, RowWidth, UnknownLevel, NameLegacyFont,
    NameWrongScript, NameTooLong, CodeMalformed."""
    cells = header.cells(row)
    if header.is_tree:
        found = _tree_row(cells, preset)
        _check_code(found.steps[0], "code")
        _check_names(found.steps[0], "name_hi", "name_en")
        return found
    found = UnitRow(path_of(cells, preset.units))
    columns = {step.level: step for step in preset.units.path}
    for step in found.steps:
        _check_code(step, columns[step.level].needs[0] if columns[step.level].needs else None)
        _check_names(step, columns[step.level].name_hi, columns[step.level].name_en)
    return found


def _tree_row(cells: Mapping[str, str], preset: Preset) -> UnitRow:
    for column in ("level", "code"):
        if not cells[column]:
            raise CellMissing(field=column)
    if cells["level"] not in {level.code for level in preset.levels}:
        raise UnknownLevel(field="level", level=cells["level"][:50])
    number = cells.get("number") or None
    digits = re.match(r"[0-9]+", number or "")
    if number and (len(number) > _NUMBER_LIMIT or (digits and len(digits[0]) > 9)):
        raise NumberMalformed(field="number")
    names = (cells.get("name_en") or None, cells.get("name_hi") or None)
    step = Step(
        level=cells["level"],
        code=cells["code"],
        number=number if number or any(names) else cells["code"],
        position=int(digits[0]) if digits else 0,
        name_en=names[0],
        name_hi=names[1],
    )
    return UnitRow([step], cells["parent"] or None)


def _check_code(step: Step, column: str | None) -> None:
    fits = all(char in _CODE_SIGNS or unicodedata.category(char)[0] in "LMN" for char in step.code)
    if len(step.code) > _CODE_LIMIT or not fits or step.code[0] in _CODE_SIGNS:
        raise CodeMalformed(field=column, limit=_CODE_LIMIT)


def _check_names(step: Step, column_hi: str | None, column_en: str | None) -> None:
    for column, text in ((column_hi, step.name_hi), (column_en, step.name_en)):
        if text and len(text) > _UNIT_NAME_LIMIT:
            raise NameTooLong(field=column, limit=_UNIT_NAME_LIMIT)
    if step.name_hi and not DEVANAGARI.search(step.name_hi):
        raise NameLegacyFont(field=column_hi)
    if step.name_en and DEVANAGARI.search(step.name_en):
        raise NameWrongScript(field=column_en)
