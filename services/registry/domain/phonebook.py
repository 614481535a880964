"""Phones as they are written, as they are kept, and whose they are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.registry.domain.failures import PhoneScientific, PhoneShared
from services.registry.domain.names import Name
from services.registry.domain.records import Contact, Holder
from services.registry.domain.vault import Vault
from shared import phone
from shared.errors import Failure
from shared.events import Fingerprints

_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d+")
_FLOAT = re.compile(r"(\d{10,13})[.,]0+")


@dataclass(frozen=True, slots=True)
class Phone:
    """A valid mobile: E.164, and what finds it."""

    e164: str = field(repr=False)
    fingerprints: Fingerprints = field(repr=False)

    @property
    def last3(self) -> str:
        """What pages may show."""
        return phone.last3(self.e164)


class Phonebook:
    """Reads phones; makes contacts of them."""

    def __init__(self, fingerprinter: phone.Fingerprinter, vault: Vault, test_prefixes: Sequence[str] = ()) -> None:
        """`test_prefixes`: numbers that no phone can have are valid as well; only the sandbox passes them."""
        self._fingerprinter = fingerprinter
        self._vault = vault
        self._test_prefixes = tuple(test_prefixes)

    def read(self, raw: str, field: str = "phone") -> Phone:
        """The mobile that was written, also as Excel writes it (`9812345678.0`). Raises NotAPhone, NotAMobile,
        CountryNotServed, PhoneScientific: with `field`."""
        written = raw.strip()
        if _SCIENTIFIC.fullmatch(written):
            raise PhoneScientific(field=field)
        if match := _FLOAT.fullmatch(written):
            written = match[1]
        try:
            e164 = phone.normalise(written, test_prefixes=self._test_prefixes)
        except Failure as failure:
            raise failure.at(field) from None
        return Phone(e164, self._fingerprinter.of(e164))

    def contact(self, contact_id: UUID, person_id: UUID, number: Phone) -> Contact:
        """A contact of a person: the number encrypted."""
        return Contact(contact_id, person_id, self._vault.lock(number.e164), number.last3, number.fingerprints)

    def fingerprints(self, contact: Contact) -> Fingerprints:
        """Of a stored phone under all of today's keys: more than are stored, after a rotation began."""
        return self._fingerprinter.of(self._vault.unlock(contact.phone))

    @property
    def newest(self) -> str:
        """The key version that every contact must be found under before an older one is retired."""
        return self._fingerprinter.newest


def choose_holder(name: Name, found: Sequence[Holder], *, shared_phone: bool) -> Holder | None:
    """Whose appointment this is (decision: person): the same phone and the same name are the same person, whose name
    is then completed by a script that was missing; None: a new person. Raises PhoneShared: the phone is recorded with
    other names only, and the recorder did not confirm that it is shared."""
    for holder in found:
        if holder.name.same_as(name):
            return replace(holder, name=holder.name.completed_by(name))
    if found and not shared_phone:
        raise PhoneShared(field="phone")
    return None
