"""What the recorder of the demo does through the registry's HTTP API."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from stack.demo.cast import Seat
from stack.demo.http import Api
from stack.fixture import MadeUp

_PRESET = "in-mp-2014"
_NOTICE = "1"


class TookTooLong(RuntimeError):
    """Something did not happen in time."""


class Recorder:
    """Records, watches and corrects appointments."""

    def __init__(self, registry: Api, *, patience: float) -> None:
        """Waits at most `patience` seconds for a state."""
        self._registry, self._patience = registry, patience

    async def load(self, units: bytes) -> tuple[int, int]:
        """Imports a list of units; returns how many rows were accepted and rejected."""
        job = await self._registry.upload("/v1/imports/units", units, preset=_PRESET)
        deadline = time.monotonic() + self._patience
        while job["state"] not in {"done", "failed"}:
            if time.monotonic() > deadline:
                raise TookTooLong("the import of units is not done")
            await asyncio.sleep(0.1)
            job = await self._registry.get(f"/v1/imports/{job['id']}")
        return job["accepted"], job["rejected"]

    async def announce_in(self, unit: str, chat_id: int) -> None:
        """Sets the channel of a unit and all below it."""
        await self._registry.put(f"/v1/units/{unit}/channel", {"chat_id": chat_id})

    async def subscribe(self, unit: str, person: MadeUp) -> None:
        """Has somebody told about a unit by message."""
        body = {"name": _name(person), "phone": person.phone, "language": person.language, "gender": person.gender}
        await self._registry.post(f"/v1/units/{unit}/subscriptions", body)

    async def record(self, seat: Seat, person: MadeUp, now: datetime) -> str:
        """Records an appointment; returns its id."""
        body = {
            "unit": seat.unit,
            "post": seat.post,
            "person": {
                "name": _name(person),
                "gender": person.gender,
                "language": person.language,
            },
            "phone": person.phone,
            "notice": {"version": _NOTICE, "language": person.language, "at": now.astimezone(UTC).isoformat()},
        }
        key = f"demo-{seat.unit}-{seat.post}"
        answer = await self._registry.post("/v1/appointments", body, **{"idempotency-key": key})
        return str(answer["id"])

    async def correct_phone(self, appointment: str, phone: str) -> None:
        """Corrects a wrong phone, which starts the next cycle."""
        await self._registry.post(f"/v1/appointments/{appointment}/phone", {"phone": phone})

    async def appointment(self, appointment: str) -> Any:
        """As the API shows it."""
        return await self._registry.get(f"/v1/appointments/{appointment}")

    async def until_state(self, appointment: str, *states: str) -> str:
        """Waits for one of `states`; raises `TookTooLong` with the state that it stays in."""
        return await self._until(appointment, lambda shown: shown["state"] if shown["state"] in states else "")

    async def until_undelivered(self, appointment: str) -> None:
        """Waits until the registry shows that a message could not be delivered; raises `TookTooLong`."""
        await self._until(appointment, _failure)

    async def _until(self, appointment: str, wanted: Any) -> str:
        deadline, pause = time.monotonic() + self._patience, 0.2
        while not (found := wanted(shown := await self.appointment(appointment))):
            if time.monotonic() > deadline:
                raise TookTooLong(f"after {self._patience:.0f} s the appointment is still {shown['state']}")
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 1.5)  # sixty workers look at the same time
        return str(found)


def _name(person: MadeUp) -> dict[str, str]:
    return {"hi": person.name_hi, "en": person.name_en}


def _failure(shown: Any) -> str:
    return next((message["state"] for message in shown["deliveries"] if message["state"] == "failed"), "")
