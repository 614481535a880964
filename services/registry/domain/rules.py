"""What the use cases of one installation share: keys, presets, time."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.registry.domain.phonebook import Phonebook
from services.registry.domain.preset import Preset
from services.registry.domain.statements import Statements
from services.registry.domain.steps import Took
from services.registry.domain.vault import Vault
from shared.clock import Clock


@dataclass(frozen=True, slots=True)
class Rules:
    """Made once, from the settings."""

    statements: Statements
    phonebook: Phonebook
    vault: Vault
    presets: Mapping[str, Preset]
    clock: Clock
    """For work that takes long; everything else is told the time."""
    took: Took
