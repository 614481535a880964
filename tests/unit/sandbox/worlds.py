"""Worlds for unit tests: a fixed clock, no network."""

from typing import Any

from services.sandbox.domain.carrier import Phone
from services.sandbox.domain.methods import METHODS
from services.sandbox.domain.params import Params
from services.sandbox.domain.world import World

NOW = 1_790_000_000.0
ANITA = "+915550000210"
SENDERS = frozenset({"BL-BOOTHL"})


def world() -> World:
    """An empty world."""
    return World(username="boothline_bot", now=NOW, nonce="0" * 16, touch=lambda _: None)


def phone(of: World, number: str = ANITA) -> Phone:
    """A phone with Telegram on it."""
    return of.create(number, name="Anita")


def call(of: World, method: str, now: float = NOW, **values: Any) -> Any:
    """One Bot API call."""
    return METHODS[method.lower()](of.telegram, Params(values), now)


def sms(to: str = ANITA, body: str = "code 482107", **fields: str) -> dict[str, str]:
    """The form of a send."""
    return {"To": to, "From": "BL-BOOTHL", "Body": body, **fields}
