"""Everything the sandbox holds: phones, Telegram, carrier, faults and call log, and who is told of a change."""

from collections.abc import Callable
from itertools import count
from typing import Any

from services.sandbox.domain.carrier import E164, Carrier, Phone
from services.sandbox.domain.chats import Account
from services.sandbox.domain.failures import NotAPhone, NoTelegram, PhoneTaken, TooManyPhones, UnknownPhone
from services.sandbox.domain.faults import Faults
from services.sandbox.domain.gateway import Gateway
from services.sandbox.domain.journal import Call, Journal, Line
from services.sandbox.domain.pacing import Pacing
from services.sandbox.domain.params import shown
from services.sandbox.domain.telegram import Telegram

PHONES_KEPT = 20_000
EPOCH = 1_767_225_600
"""2026-01-01; update ids count tenths of seconds from here, so that a restart does not repeat them."""


class World:
    """The state of one sandbox. `nonce` is 16 hex digits that no other start has."""

    def __init__(self, *, username: str, now: float, nonce: str, touch: Callable[[str], None]) -> None:
        self.touch = touch
        self.nonce = nonce
        self._numbers = count(1)
        self.phones: dict[str, Phone] = {}
        self.faults = Faults()
        self.journal = Journal()
        self.pacing = Pacing()
        self.skew = 0.0  # seconds that the sandbox's clock is ahead
        self.telegram = Telegram(username, touch, self.number, first_update=max(int((now - EPOCH) * 10), 1))
        self.gateway = Gateway(self.reachable, self.number)
        self.carrier = Carrier(self.receiving, touch, self.number, nonce)

    def number(self) -> int:
        """The next sequence number: one order over all messages and calls."""
        return next(self._numbers)

    def create(
        self,
        number: str,
        *,
        name: str,
        last_name: str = "",
        username: str = "",
        language: str = "hi",
        telegram: bool = True,
    ) -> Phone:
        """A new phone; raises NotAPhone, PhoneTaken. One that arose by an SMS is taken over instead."""
        known = self.phones.get(e164(number))
        if known is not None and known.made:
            raise PhoneTaken
        phone = known or self._add(Phone(e164(number), name, language))
        phone.name, phone.language, phone.made = f"{name} {last_name}".strip(), language, True
        if telegram:
            phone.account = self.telegram.account(
                first_name=name, last_name=last_name, username=username, language=language, phone=phone.number
            )
        self.touch("phones")
        return phone

    def receiving(self, number: str, now: float) -> Phone:
        """The phone that an SMS goes to; an unknown number becomes a phone without Telegram."""
        phone = self.phones.get(number)
        if phone is None:
            phone = self._add(Phone(number, "", made=False, seen_at=now))
            self.touch("phones")
        return phone

    def _add(self, phone: Phone) -> Phone:
        if len(self.phones) >= PHONES_KEPT:
            oldest = next((p.number for p in self.phones.values() if not p.made), None)
            if oldest is None:
                raise TooManyPhones
            del self.phones[oldest]
        self.phones[phone.number] = phone
        return phone

    def phone(self, number: str) -> Phone:
        """The phone with this number, the plus sign is optional; raises UnknownPhone."""
        phone = self.phones.get("+" + number.strip().lstrip("+"))
        if phone is None:
            raise UnknownPhone
        return phone

    def account(self, number: str) -> Account:
        """The Telegram account of a phone; raises UnknownPhone, NoTelegram."""
        account = self.phone(number).account
        if account is None or account.deleted:
            raise NoTelegram
        return account

    def reachable(self, number: str) -> Account | None:
        """The Telegram account of a phone, if there is one that still exists."""
        phone = self.phones.get(number)
        return phone.account if phone and phone.account and not phone.account.deleted else None

    def log(
        self,
        line: Line,
        method: str,
        target: str,
        params: dict[str, Any],
        *,
        at: float,
        status: int,
        response: Any,
        fault: int = 0,
    ) -> None:
        """Note a call in the call log."""
        self.journal.add(Call(self.number(), at, line, method, target, shown(params), status, response, fault))
        self.touch("calls")


def e164(number: str) -> str:
    """The number with its plus sign and without blanks; raises NotAPhone."""
    compact = "+" + "".join(number.split()).lstrip("+")
    if not E164.fullmatch(compact):
        raise NotAPhone
    return compact
