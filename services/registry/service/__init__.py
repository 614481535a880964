"""Use cases: sequences of steps, each one transaction."""

from dataclasses import dataclass

from services.registry.domain.ports import Store
from services.registry.domain.rules import Rules
from services.registry.service.announcing import Announcing
from services.registry.service.audience import Audience
from services.registry.service.changing import Change, Changing
from services.registry.service.gate import Gate
from services.registry.service.importing import Importing
from services.registry.service.operating import Operating
from services.registry.service.outcomes import Outcomes
from services.registry.service.reading import Reading
from services.registry.service.recording import Recording


@dataclass(frozen=True)
class Service:
    """Everything that the registry does for its edges."""

    recording: Recording
    changing: Changing
    audience: Audience
    operating: Operating
    importing: Importing
    announcing: Announcing
    outcomes: Outcomes
    reading: Reading
    gate: Gate

    @classmethod
    def of(cls, store: Store, rules: Rules) -> "Service":
        """All use cases over one store."""
        recording = Recording(store, rules.statements, rules.phonebook)
        announcing = Announcing(store, rules.statements)
        return cls(
            announcing=announcing,
            recording=recording,
            changing=Changing(store, rules.statements, rules.phonebook),
            operating=Operating(store, rules.statements, rules.phonebook),
            audience=Audience(store, rules.phonebook),
            importing=Importing(store, recording, rules),
            outcomes=Outcomes(store, rules.statements, announcing, rules.took),
            reading=Reading(store),
            gate=Gate(store),
        )


__all__ = [
    "Announcing",
    "Audience",
    "Change",
    "Changing",
    "Gate",
    "Importing",
    "Operating",
    "Outcomes",
    "Reading",
    "Recording",
    "Service",
]
