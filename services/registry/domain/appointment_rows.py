"""A row of an appointment list: read whole, with everything that is wrong with it."""

from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from services.registry.domain.commands import EXTERNAL_REF_LIMIT, Record, parse_language, parse_notice
from services.registry.domain.failures import CellMissing, GenderUnknown, NoticeTime, Unfit
from services.registry.domain.names import Name, parse_name
from services.registry.domain.phonebook import Phone, Phonebook
from services.registry.domain.records import Gender
from services.registry.domain.sheet import Header
from shared.errors import Failure
from shared.events import Language, Notice

_APPOINTMENT = ("unit", "post", "phone", "notice_version", "notice_language")
_YES = frozenset({"yes", "y", "1", "true", "हाँ", "हां"})
_GENDERS: Mapping[str, Gender] = {gender: gender for gender in get_args(Gender)} | {
    "f": "female", "m": "male", "महिला": "female", "पुरुष": "male",
}  # fmt: skip


def check_appointment_columns(header: Header) -> None:
    """Raise WrongColumns unless everything is there that an appointment needs."""
    name = () if {"name_hi", "name_en"} & set(header.columns) else ("name_hi",)
    header.require((*_APPOINTMENT, *name))


class AppointmentRow:
    """Reads a row of an appointment list; collects everything that is wrong, not only the first thing."""

    def __init__(self, cells: Mapping[str, str], phonebook: Phonebook, now: datetime) -> None:
        """`cells` by column, cleaned."""
        self._cells = cells
        self._phonebook = phonebook
        self._now = now
        self.problems: list[Failure] = []
        self.phone: Phone | None = None
        """As it was read by `command`."""

    def command(self) -> Record | None:
        """What the row asks for, in mode invite; None: see `problems`."""
        for column in ("unit", "post"):
            if not self._cells[column]:
                self.problems.append(CellMissing(field=column))
        name, notice, gender = self._name(), self._notice(), self._gender()
        language = self._language()
        self._read_phone()
        if len(self._cells.get("external_ref", "")) > EXTERNAL_REF_LIMIT:
            self.problems.append(Unfit(field="external_ref"))
        if self.problems or name is None or notice is None:
            return None
        return Record(
            unit=self._cells["unit"],
            post=self._cells["post"],
            name=name,
            phone=self._cells["phone"],
            notice=notice,
            language=language,
            gender=gender,
            shared_phone=self._cells.get("shared_phone", "").casefold() in _YES,
            mode="invite",
            external_ref=self._cells.get("external_ref") or None,
            unchanged_if_known=True,
        )

    def _name(self) -> Name | None:
        try:
            return parse_name(self._cells.get("name_hi"), self._cells.get("name_en"))
        except Failure as failure:
            field_name = {"name.hi": "name_hi", "name.en": "name_en"}.get(failure.field or "", "name_hi")
            self.problems.append(failure.at(field_name))
            return None

    def _read_phone(self) -> None:
        try:
            self.phone = self._phonebook.read(self._cells["phone"])
        except Failure as failure:
            self.problems.append(failure)

    def _notice(self) -> Notice | None:
        try:
            shown = self._cells.get("notice_at")
            at = datetime.fromisoformat(shown) if shown else None
            return parse_notice(self._cells["notice_version"], self._cells["notice_language"], at, self._now)
        except ValueError:
            self.problems.append(NoticeTime(field="notice_at"))
        except Failure as failure:
            field_name = {"notice": "notice_version", "notice.at": "notice_at"}.get(failure.field or "")
            self.problems.append(failure.at(field_name or "notice_language"))
        return None

    def _gender(self) -> Gender | None:
        written = self._cells.get("gender", "")
        if not written:
            return None
        gender = _GENDERS.get(written.casefold())
        if gender is None:
            self.problems.append(GenderUnknown(field="gender"))
        return gender

    def _language(self) -> Language | None:
        written = self._cells.get("language", "")
        try:
            return parse_language(written.casefold(), "language") if written else None
        except Failure as failure:
            self.problems.append(failure)
            return None
