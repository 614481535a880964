"""Use cases: sequences of steps, each one transaction."""

from dataclasses import dataclass

from services.registry.domain.phonebook import Phonebook
from services.registry.domain.ports import Store
from services.registry.domain.statements import Statements
from services.registry.service.audience import Audience
from services.registry.service.changing import Change, Changing
from services.registry.service.gate import Gate
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
    outcomes: Outcomes
    reading: Reading
    gate: Gate

    @classmethod
    def of(cls, store: Store, statements: Statements, phonebook: Phonebook) -> "Service":
        """All use cases over one store."""
        return cls(
            recording=Recording(store, statements, phonebook),
            changing=Changing(store, statements, phonebook),
            operating=Operating(store, statements),
            audience=Audience(store, phonebook),
            outcomes=Outcomes(store, statements),
            reading=Reading(store),
            gate=Gate(store),
        )


__all__ = ["Audience", "Change", "Changing", "Gate", "Operating", "Outcomes", "Reading", "Recording", "Service"]
