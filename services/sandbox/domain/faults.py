"""Faults that tests and people switch on: errors, delays, silence and broken connections, for both APIs."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import count

FAULTS_KEPT = 200


class Api(StrEnum):
    """Which of the two APIs a fault or a logged call belongs to."""

    TELEGRAM = "telegram"
    SMS = "sms"


class Stage(StrEnum):
    """Whether the call is broken before it has any effect, or after it was carried out."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True, kw_only=True)
class Fault:
    """One rule. It fits calls of `api` whose method and target equal its own; "" fits all but getUpdates, which polls
    all the time and would use the rule up.

    `latency` delays the call; `hang` keeps the caller waiting so many seconds and then resets the connection;
    `status` answers with an error; `times` None means until it is cleared; `every` 100 means every hundredth call.
    """

    api: Api
    method: str = ""
    target: str = ""
    stage: Stage = Stage.BEFORE
    status: int = 0
    code: int = 0
    description: str = ""
    retry_after: int = 0
    migrate_to: int = 0
    times: int | None = 1
    every: int = 1
    latency: float = 0.0
    hang: float = 0.0
    reset: bool = False
    id: int = 0
    used: int = 0
    seen: int = 0

    def fits(self, api: Api, method: str, target: str) -> bool:
        """True when this call is meant."""
        polling = not self.method and method.lower() == "getupdates"
        same = self.api is api and self.method.lower() in {"", method.lower()} and not polling
        return same and self.target in {"", target} and (self.times is None or self.used < self.times)

    @property
    def breaks(self) -> bool:
        """True when the caller does not get the ordinary answer."""
        return bool(self.status or self.hang or self.reset or self.migrate_to)


class Faults:
    """The rules in force, oldest first; the first that fits is used."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._ids = count(1)

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force; the oldest goes when there are more than 200."""
        fault.id = next(self._ids)
        self.rules = [*self.rules, fault][-FAULTS_KEPT:]
        return fault

    def take(self, api: Api, method: str, target: str) -> Fault | None:
        """The rule for this call; it is used up by one."""
        for fault in self.rules:
            if fault.fits(api, method, target):
                fault.seen += 1
                if fault.seen % fault.every == 0:
                    fault.used += 1
                    return fault
        return None

    def remove(self, fault_id: int) -> bool:
        """Take a rule out of force; False when it is not there."""
        before = len(self.rules)
        self.rules = [f for f in self.rules if f.id != fault_id]
        return len(self.rules) < before
