"""Rules of the Telegram dialog: contacts, buttons, codes, freshness, languages."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.telegram import (
    Account,
    Act,
    Dialog,
    Sender,
    SharedContact,
    button_data,
    read_button,
    read_code,
)

NOW = datetime(2026, 11, 24, 9, 5, tzinfo=UTC)


def shared(**changed: object) -> SharedContact:
    """An own contact, changed."""
    own: dict[str, object] = {
        "sender": 7, "owner": 7, "private": True, "forwarded": False, "via_bot": False, "phone": "+915550000210",
    }  # fmt: skip
    return SharedContact(**{**own, **changed})  # type: ignore[arg-type] # tests name the fields


def test_an_own_contact_is_own() -> None:
    assert shared().own


@pytest.mark.parametrize(
    "changed", [{"owner": 8}, {"owner": None}, {"private": False}, {"forwarded": True}, {"via_bot": True}]
)
def test_every_other_contact_is_not(changed: dict[str, object]) -> None:
    assert not shared(**changed).own


def test_a_contact_shows_no_phone_in_its_repr() -> None:
    assert "5550000210" not in repr(shared())


@given(act=st.sampled_from(Act), challenge=st.uuids())
def test_a_button_carries_its_act_and_challenge_in_64_bytes(act: Act, challenge: UUID) -> None:
    data = button_data(act, challenge)
    assert len(data.encode()) <= 64
    assert read_button(data) == (act, challenge)


@given(st.text(max_size=70))
def test_whatever_a_client_sends_as_button_data_is_read_without_harm(data: str) -> None:
    assert read_button(data) is None or data[0] in "cnrs"


def test_a_button_without_data_is_none() -> None:
    assert read_button(None) is None


@pytest.mark.parametrize("text", ["482107", " 482 107 ", "482-107", "४८२१०७", "४८२ १०७"])
def test_a_code_is_read_as_people_write_it(text: str) -> None:
    assert read_code(text) == "482107"


@pytest.mark.parametrize("text", ["", "48210", "4821077", "code 482107", "12345a", "+919812345678", "४८२१०"])
def test_other_texts_are_no_code(text: str) -> None:
    assert read_code(text) is None


def account(shared_at: datetime | None) -> Account:
    """An account that shared its contact then."""
    return Account(7, 7, "en", {"1": "a" * 64}, shared_at, reachable=True, announcements=True)


@pytest.mark.parametrize(("days", "fresh"), [(0, True), (89, True), (90, True), (91, False)])
def test_a_shared_contact_is_good_for_90_days(days: int, fresh: bool) -> None:
    assert account(NOW - timedelta(days=days)).fresh(NOW) is fresh


def test_an_account_in_doubt_is_not_fresh() -> None:
    assert not account(None).fresh(NOW)


def test_an_account_holds_its_phone_under_any_of_its_keys() -> None:
    assert account(NOW).holds(frozenset({"a" * 64, "b" * 64}))
    assert not account(NOW).holds(frozenset({"b" * 64}))


def test_hindi_is_spoken_unless_somebody_chose_or_has_english() -> None:
    quiet, english = Sender(7, 7, private=True), Sender(7, 7, private=True, phone_language="en-GB")
    assert quiet.language(Dialog(), None) == "hi"
    assert Sender(7, 7, private=True, phone_language="ta").language(Dialog(), None) == "hi"
    assert english.language(Dialog(), None) == "en"
    assert quiet.language(Dialog(), account(NOW)) == "en"
    assert english.language(Dialog(language="hi"), account(NOW)) == "hi"
