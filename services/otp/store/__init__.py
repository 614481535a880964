"""Everything that speaks to Valkey: the scripts, the challenges, the outbox stream."""

from services.otp.store.challenges import ValkeyChallenges
from services.otp.store.outbox import Entry, Outbox, Parked
from services.otp.store.scripts import Scripts
from shared.valkey import open_valkey

__all__ = ["Entry", "Outbox", "Parked", "Scripts", "ValkeyChallenges", "open_valkey"]
