"""Settings of the sandbox."""

import pytest
from pydantic import ValidationError

from services.sandbox.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_accepted(host: str) -> None:
    assert Settings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.org"])  # noqa: S104 - the point of the test
def test_any_other_address_is_refused_with_a_sentence(host: str) -> None:
    with pytest.raises(ValidationError, match="the sandbox listens on loopback only"):
        Settings(host=host)


def test_several_sender_headers_are_split() -> None:
    assert Settings(sender="BL-BOOTHL, BL-OTHER").senders() == {"BL-BOOTHL", "BL-OTHER"}


def test_secrets_are_not_shown() -> None:
    assert "sandbox-auth-token" not in repr(Settings())
