"""Who takes part in the demo and how each of them behaves; no I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stack.fixture import Booth, MadeUp

BOOTH_POSTS = ("president", "secretary", "bla2", "whatsapp", "mkb", "labharthi", "panna", "member")
"""The posts of a booth committee in the preset in-mp-2014."""


class Behaviour(StrEnum):
    """What a simulated worker does; the value is how the closing table calls it."""

    TELEGRAM = "confirms in Telegram"
    SMS = "answers the SMS with the code"
    WEB = "types the code on the page"
    REFUSES_BY_TELEGRAM = "refuses in Telegram"
    REFUSES_BY_SMS = "refuses by SMS"
    REFUSES_ON_PAGE = "refuses on the page"
    GUESSES_BY_SMS = "guesses wrong by SMS, then right"
    GUESSES_ON_PAGE = "guesses wrong on the page, then right"
    BLOCKS_BOT = "blocks the bot, is asked by SMS next"
    DEAD_NUMBER = "has a dead number, which is corrected"

    @property
    def ends(self) -> str:
        """The state that the appointment must end in."""
        return "refused" if self.name.startswith("REFUSES") else "verified"

    @property
    def appointments(self) -> int:
        """How many appointments such a worker gets."""
        return 2 if self is Behaviour.BLOCKS_BOT else 1


CAST = {
    Behaviour.TELEGRAM: 16,
    Behaviour.SMS: 14,
    Behaviour.WEB: 12,
    Behaviour.REFUSES_BY_TELEGRAM: 2,
    Behaviour.REFUSES_BY_SMS: 2,
    Behaviour.REFUSES_ON_PAGE: 2,
    Behaviour.GUESSES_BY_SMS: 4,
    Behaviour.GUESSES_ON_PAGE: 4,
    Behaviour.BLOCKS_BOT: 1,
    Behaviour.DEAD_NUMBER: 2,
}
"""Workers by behaviour: 60 appointments."""


@dataclass(frozen=True)
class Seat:
    """A seat by the codes that the registry knows."""

    unit: str
    post: str


@dataclass(frozen=True)
class Worker:
    """A person, what they do, the seats that they are appointed to, and a second number for one whose first is dead."""

    person: MadeUp
    behaviour: Behaviour
    seats: tuple[Seat, ...]
    right_phone: str


def cast(booths: Sequence[Booth], people: Iterator[MadeUp], numbers: dict[Behaviour, int]) -> list[Worker]:
    """The workers, behaviours mixed as people come; each committee is filled before the next one begins."""
    seats = _seats(booths)
    return [_worker(behaviour, people, seats) for behaviour in _mixed(numbers)]


def _worker(behaviour: Behaviour, people: Iterator[MadeUp], seats: Iterator[Seat]) -> Worker:
    person = next(people)
    held = tuple(next(seats) for _ in range(behaviour.appointments))
    return Worker(person, behaviour, held, next(people).phone if behaviour is Behaviour.DEAD_NUMBER else "")


def _seats(booths: Sequence[Booth]) -> Iterator[Seat]:
    for booth in booths:
        yield from (Seat(booth.code, post) for post in BOOTH_POSTS)


def _mixed(numbers: dict[Behaviour, int]) -> Iterator[Behaviour]:
    """Every behaviour spread evenly over the whole, so that the first minute shows all of them."""
    places = [
        ((index + 0.5) / count, position, behaviour)
        for position, (behaviour, count) in enumerate(numbers.items())
        for index in range(count)
    ]
    yield from (behaviour for _, _, behaviour in sorted(places))
