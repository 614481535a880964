"""Announcements under way."""

from services.registry.domain.records import Announcement
from services.registry.store.database import Rows


class AnnouncementRows:
    """Implements `domain.ports.Announcements`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows

    async def keep(self, announcement: Announcement) -> None:
        """It goes on after this person."""
        a = announcement
        await self._rows.run(
            "keep_announcement", a.challenge_id, a.organisation_id, a.appointment_id, a.after_person, a.at, a.trace
        )

    async def claim(self) -> Announcement | None:
        """One that no other process has in hand, until the transaction ends."""
        row = await self._rows.one("claim_announcement")
        return Announcement(*row.values()) if row else None

    async def end(self, announcement: Announcement) -> None:
        """Everybody has been told."""
        await self._rows.run("end_announcement", announcement.challenge_id)
