"""Phones."""

import secrets
from base64 import b64encode

import pytest

from services.registry.domain.failures import PhoneScientific, PhoneShared
from services.registry.domain.names import Name
from services.registry.domain.phonebook import Phonebook, choose_holder
from services.registry.domain.records import Contact, Holder
from services.registry.domain.vault import Vault
from shared import ids
from shared.errors import Failure
from shared.phone import CountryNotServed, Fingerprinter, NotAMobile, NotAPhone


def key() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def vault() -> Vault:
    return Vault({"1": key()})


@pytest.fixture
def phonebook(vault: Vault) -> Phonebook:
    return Phonebook(Fingerprinter({"1": key()}), vault, ("+91555",))


@pytest.mark.parametrize(
    "raw",
    ["9812345678", "098123 45678", "+91-98123-45678", "0091 9812345678", "९८१२३४५६७८", "9812345678.0", " 9812345678 "],
)
def test_every_spelling_of_a_mobile_is_one_number(phonebook: Phonebook, raw: str) -> None:
    assert phonebook.read(raw).e164 == "+919812345678"


@pytest.mark.parametrize(
    ("raw", "failure"),
    [
        ("9.12345E+09", PhoneScientific),
        ("9,87654E9", PhoneScientific),
        ("", NotAPhone),
        ("hello", NotAPhone),
        ("98123456789012", NotAPhone),
        ("011 2345 6789", NotAMobile),
        ("1600123456", NotAMobile),
        ("+1 202 555 0123", CountryNotServed),
        ("+14155552671", CountryNotServed),
    ],
)
def test_what_is_no_mobile_of_a_served_country_names_the_field(
    phonebook: Phonebook, raw: str, failure: type[Failure]
) -> None:
    with pytest.raises(failure) as raised:
        phonebook.read(raw)
    assert raised.value.field == "phone"
    assert raw not in str(raised.value) or not raw


def test_test_numbers_are_valid_only_with_their_prefix(vault: Vault) -> None:
    with pytest.raises(NotAPhone):
        Phonebook(Fingerprinter({"1": key()}), vault).read("+915550000001")


def test_a_contact_keeps_the_number_encrypted_and_prints_nothing(phonebook: Phonebook, vault: Vault) -> None:
    contact = phonebook.contact(ids.new_id(), ids.new_id(), phonebook.read("9812345678"))
    assert b"9812345678" not in contact.phone.data
    assert vault.unlock(contact.phone) == "+919812345678"
    assert "9812345678" not in repr(contact)
    assert (contact.last3, len(contact.fingerprints)) == ("678", 1)


def test_a_rotated_key_still_opens_what_it_locked() -> None:
    old, new = key(), key()
    box = Vault({"1": old}).lock("x")
    rotated = Vault({"1": old, "2": new})
    assert rotated.unlock(box) == "x"
    assert rotated.lock("x").kid == "2"


def holder(name: Name, phonebook: Phonebook) -> Holder:
    person = ids.new_id()
    contact: Contact = phonebook.contact(ids.new_id(), person, phonebook.read("9812345678"))
    return Holder(person, name, contact)


def test_the_same_name_is_the_same_person_completed_by_the_missing_script(phonebook: Phonebook) -> None:
    known = holder(Name(None, "Sunita"), phonebook)
    found = choose_holder(Name("सुनीता", "sunita"), [known], shared_phone=False)
    assert found is not None
    assert (found.person_id, found.name) == (known.person_id, Name("सुनीता", "Sunita"))


def test_another_name_is_refused_until_sharing_is_confirmed(phonebook: Phonebook) -> None:
    known = holder(Name(None, "Sunita"), phonebook)
    with pytest.raises(PhoneShared):
        choose_holder(Name(None, "Asha"), [known], shared_phone=False)
    assert choose_holder(Name(None, "Asha"), [known], shared_phone=True) is None
    assert choose_holder(Name(None, "Asha"), [], shared_phone=False) is None
