"""What otp and the notifier state, many at once, each kept once by its version."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.registry.domain.hearing import OfChallenge, OfMessage, Shown
from services.registry.domain.states import Heard
from services.registry.store.database import Rows


class HearingRows:
    """Implements `domain.ports.Hearings`. Statements that stand alone commit by themselves."""

    def __init__(self, rows: Rows) -> None:
        """On the connection of `rows`."""
        self._rows = rows
        self.changes = False
        """Whether open pages have something to redraw once this is committed."""

    async def hear_all(self, heard: Sequence[tuple[UUID, int, Heard, datetime]]) -> Collection[UUID]:
        """Note what otp states (challenge, version, state, time), each challenge once; those whose version is new."""
        challenges, versions, states, times = zip(*heard, strict=True)
        rows = await self._rows.all("hear_all", challenges, versions, [state.value for state in states], times)
        return {row["id"] for row in rows}

    async def note_opened(self, opened: Sequence[OfChallenge]) -> Collection[UUID]:
        """Note that these challenges are open, each once, with their timelines, in one statement; the appointments that
        are there."""
        self.changes = True
        rows = await self._rows.all("note_opened", [_opened(each) for each in opened])
        return {row["appointment_id"] for row in rows}

    async def state_deliveries(self, stated: Sequence[OfMessage]) -> Mapping[UUID, Shown]:
        """Note the states of messages, each once and if its version is new, with the timelines of those that are shown,
        in one statement. What of the appointments of these must be known, by message."""
        self.changes = True
        rows = await self._rows.all("state_deliveries", [_stated(each) for each in stated])
        return {row["message_id"]: Shown(row["cycle"], row["mode"], row["invited_at"]) for row in rows}


def _opened(told: OfChallenge) -> dict[str, object]:
    event = told.event
    return {
        "id": event.subject,
        "organisation_id": event.organisation_id,
        "appointment_id": event.appointment_id,
        "cycle": event.cycle,
        "version": event.version,
        "at": event.at,
        "traceparent": told.trace,
    }


def _stated(stated: OfMessage) -> dict[str, object]:
    event = stated.event
    return {
        "message_id": event.subject,
        "organisation_id": event.organisation_id,
        "appointment_id": event.appointment_id,
        "cycle": event.cycle,
        "challenge_id": event.challenge_id,
        "unit_id": event.unit_id,
        "lane": event.lane.value,
        "template": event.template,
        "channel": event.channel.value,
        "provider": event.provider,
        "state": stated.state,
        "reason": stated.reason,
        "falls_back": stated.falls_back,
        "attempt": event.attempt,
        "parts": event.parts,
        "version": event.version,
        "at": event.at,
        "is_shown": stated.is_shown,
        "traceparent": stated.trace,
    }
