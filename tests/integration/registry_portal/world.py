"""A registry with units and appointments in every state, driven by its use cases; no broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from services.registry.app import build_service, load_presets
from services.registry.domain.commands import Record
from services.registry.domain.names import Name
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import Gender
from services.registry.domain.states import Heard
from services.registry.service import Service
from services.registry.service.changing import Change
from services.registry.service.gate import ADMINISTRATOR
from services.registry.settings import Settings
from services.registry.store.database import Database, open_database
from services.registry.store.queries import load_queries
from services.registry.store.uploads import spool
from shared import ids
from shared.clock import utc_now
from shared.events import (
    ChallengeExpired,
    ChallengeLocked,
    ChallengeRefused,
    ChallengeVerified,
    Channel,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryFailed,
    Lane,
    Notice,
    Reason,
    Via,
)
from stack.keys import Keys

Spelling = tuple[str | None, str | None]

BOOTHS: Sequence[tuple[str, str | None, str | None]] = (
    ("1", "शासकीय प्राथमिक शाला, कोलार", "Government Primary School, Kolar"),
    ("2", "शासकीय माध्यमिक शाला, कक्ष 2", "Government Middle School, Room 2"),
    ("3", None, "Panchayat Bhavan, Berasia Road"),
    ("4A", "सामुदायिक भवन, राजहर्ष", "Community Hall, Rajharsh"),
)
PEOPLE: Sequence[tuple[str, str, Gender]] = (
    ("लक्ष्मीबाई विश्वकर्मा", "Laxmibai Vishwakarma", "female"),
    ("ज्ञानेंद्र सिंह राठौड़", "Gyanendra Singh Rathore", "male"),
    ("प्रद्युम्न अहिरवार", "Pradyumn Ahirwar", "male"),
    ("अनीता कुशवाहा", "Anita Kushwaha", "female"),
    ("हृदयेश मालवीय", "Hridayesh Malviya", "male"),
    ("शबाना अंसारी", "Shabana Ansari", "female"),
    ("रामप्रसाद धुर्वे", "Ramprasad Dhurve", "male"),
    ("क्षमा श्रीवास्तव", "Kshama Shrivastava", "female"),
    ("कमलेश उइके", "Kamlesh Uikey", "male"),
    ("मोहन लाल साहू", "Mohan Lal Sahu", "male"),
    ("रुक्मिणी पाटीदार", "Rukmini Patidar", "female"),
)


def variables(url: str, keys: Keys, port: int = 0) -> dict[str, str]:
    """The environment of a registry process."""
    return {
        "REGISTRY_SANDBOX": "true",
        "REGISTRY_PORT": str(port),
        "REGISTRY_DATABASE_URL": url,
        "REGISTRY_SEAL_KEY": keys.seal["registry"],
        "REGISTRY_SEAL_PEERS": keys.seal_peers,
        "REGISTRY_FINGERPRINT_KEYS": keys.fingerprint,
        "REGISTRY_PHONE_KEYS": keys.phone,
        "REGISTRY_TEST_NUMBER_PREFIXES": '["+91555"]',
        "REGISTRY_PUBLIC_URL": "http://127.0.0.1:1",
        "REGISTRY_KAFKA": "127.0.0.1:1",
    }


@dataclass
class World:
    """What tests drive."""

    service: Service
    database: Database
    settings: Settings
    principal: Principal
    phones: int = 0

    async def add_unit(
        self, level: str, code: str, above: Sequence[UUID], number: str | None = None, name: Spelling = (None, None)
    ) -> UUID:
        """A unit under `above` (nearest first)."""
        unit = ids.new_id()
        now = utc_now()
        organisation = self.settings.organisation_id
        digits = "".join(char for char in number or "" if char.isdigit())
        async with self.database._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO unit (id, organisation_id, level, code, number, position, name_hi, name_en, created_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                unit, organisation, level, code, number, int(digits or 0), *name, now,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO placement (organisation_id, unit_id, parent_id, valid_from) VALUES ($1, $2, $3, $4)",
                organisation, unit, above[0] if above else None, now,
            )  # fmt: skip
            await connection.executemany(
                "INSERT INTO lineage (unit_id, above_id, distance) VALUES ($1, $2, $3)",
                [(unit, up, far) for far, up in enumerate([unit, *above])],
            )
        return unit

    async def add_tree(self) -> None:
        """State, two districts, a constituency, booths `155-1` .. `155-4A`."""
        state = await self.add_unit("state", "mp", (), name=("मध्य प्रदेश", "Madhya Pradesh"))
        bhopal = await self.add_unit("district", "mp-bhopal", (state,), name=("भोपाल", "Bhopal"))
        await self.add_unit("district", "mp-sehore", (state,), name=("सीहोर", "Sehore"))
        huzur = await self.add_unit("assembly", "ac-155", (bhopal, state), "155", ("हुज़ूर", "Huzur"))
        for number, hi, en in BOOTHS:
            await self.add_unit("booth", f"155-{number}", (huzur, bhopal, state), number, (hi, en))

    async def record(self, unit: str, post: str, name: Name, gender: Gender | None = None, phone: str = "") -> UUID:
        """An appointment; a phone of its own unless one is given."""
        self.phones += 1
        now = utc_now()
        answer = await self.service.recording.record(
            self.principal,
            Record(
                unit=unit,
                post=post,
                name=name,
                phone=phone or f"+915550{self.phones:06d}",
                notice=Notice(version="2026-11", language="hi", at=now),
                gender=gender,
            ),
            None,
            now,
        )
        return answer.appointment_id

    def _about(self, appointment: UUID, cycle: int, version: int) -> dict[str, Any]:
        return {
            "organisation_id": self.settings.organisation_id,
            "subject": ids.challenge_id(appointment, cycle),
            "version": version,
            "at": utc_now(),
            "appointment_id": appointment,
            "cycle": cycle,
        }

    async def hear(
        self, appointment: UUID, what: Literal["verified", "refused", "locked", "expired"], cycle: int = 1
    ) -> None:
        """What otp states."""
        about = self._about(appointment, cycle, 2)
        now = about["at"]
        notice = Notice(version="2026-11", language="hi", at=now)
        match what:
            case "verified":
                event = ChallengeVerified(**about, via=Via.WEB, verified_at=now, notice=notice)
                await self.service.outcomes.hear_challenge(event, Heard.VERIFIED, now)
            case "refused":
                await self.service.outcomes.hear_challenge(ChallengeRefused(**about, via=Via.SMS), Heard.REFUSED, now)
            case "locked":
                await self.service.outcomes.hear_challenge(ChallengeLocked(**about, via=Via.WEB), Heard.LOCKED, now)
            case "expired":
                await self.service.outcomes.hear_challenge(ChallengeExpired(**about), Heard.EXPIRED, now)

    async def deliver(
        self, appointment: UUID, what: Literal["accepted", "delivered", "failed"], version: int = 1, cycle: int = 1
    ) -> None:
        """What the notifier states."""
        about = self._about(appointment, cycle, version) | {
            "subject": ids.message_id(ids.challenge_id(appointment, cycle), "x", 1),
            "lane": Lane.URGENT,
            "template": "invitation",
            "channel": Channel.SMS,
            "provider": "twilio",
            "parts": 3,
        }
        match what:
            case "accepted":
                await self.service.outcomes.hear_delivery(DeliveryAccepted(**about), "accepted")
            case "delivered":
                await self.service.outcomes.hear_delivery(DeliveryDelivered(**about), "delivered")
            case "failed":
                await self.service.outcomes.hear_delivery(DeliveryFailed(**about, reason=Reason.UNREACHABLE), "failed")

    async def end(self, appointment: UUID) -> None:
        """It is over."""
        await self.service.changing.end(Change(self.principal, appointment, utc_now()), "resigned")

    async def add_committee(self) -> dict[str, UUID]:
        """Booth 155-1 with seats in every state, by name of the state."""
        posts = ["president", "secretary", "bla2", "whatsapp", "mkb", "labharthi", "panna", *["member"] * 4]
        made = [
            await self.record("155-1", post, Name(hi, en), gender)
            for post, (hi, en, gender) in zip(posts, PEOPLE, strict=True)
        ]
        for index in (0, 1, 3, 5, 7, 10):
            await self.deliver(made[index], "accepted")
            await self.deliver(made[index], "delivered", 2)
            await self.hear(made[index], "verified")
        await self.deliver(made[2], "accepted")
        await self.deliver(made[2], "delivered", 2)
        await self.hear(made[4], "refused")
        await self.deliver(made[6], "accepted")
        await self.hear(made[6], "locked")
        await self.deliver(made[8], "failed")
        await self.deliver(made[9], "accepted")
        return {
            "verified": made[0],
            "delivered": made[2],
            "refused": made[4],
            "locked": made[6],
            "failed": made[8],
            "sent": made[9],
        }

    async def add_import(self) -> UUID:
        """An import of appointments that is over, with rejects."""

        async def table() -> AsyncIterator[bytes]:
            yield (
                "unit,post,name_hi,name_en,phone,notice_version,notice_language\n"
                "155-2,president,सुनीता देवी,,+91 55513 00001,2026-11,hi\n"
                "155-2,secretary,jkts'k dqekj,,9.87654E+09,2026-11,hi\n"
                "nowhere,president,,Ramesh Kumar,+91 55513 00002,2026-11,hi\n"
                "155-2,president,,Ramesh Kumar,+91 55513 00003,2026-11,hi\n"
            ).encode()

        async with spool(table()) as upload:
            running = await self.service.importing.begin(self.principal, "appointments", None, upload)
            await self.service.importing.work(running)
        return running.job.id

    async def sign_in_token(self, account: str = ADMINISTRATOR) -> str:
        """The token of a one-time link."""
        return await self.service.gate.issue_sign_in(self.settings.organisation_id, account, utc_now())

    async def sign_in(self) -> str:
        """The token of a session."""
        return await self.service.gate.sign_in(await self.sign_in_token(), utc_now())

    async def everything_shows(self) -> None:
        """Return once pages and streams show all that is committed: any earlier writer on the server hides it from
        them while it lasts, PostgreSQL's own ANALYZE too."""
        hidden = "SELECT count(*) AS changes FROM change WHERE tx >= pg_snapshot_xmin(pg_current_snapshot())"
        async with asyncio.timeout(60):
            while (await self.rows(hidden))[0]["changes"]:  # noqa: ASYNC110 # the server sets no event here
                await asyncio.sleep(0.01)

    async def imports_are_over(self) -> None:
        """Return once no import is under way."""
        async with asyncio.timeout(60):
            while await self.rows("SELECT FROM import_job WHERE state = 'running'"):  # noqa: ASYNC110 # another process
                await asyncio.sleep(0.01)

    async def rows(self, sql: str, *values: object) -> list[Any]:
        """Looks behind the pages."""
        async with self.database._pool.acquire() as connection:
            return list(await connection.fetch(sql, *values))


@asynccontextmanager
async def open_world(settings: Settings) -> AsyncIterator[World]:
    """An organisation after the preset in-mp-2014 on a migrated database; nothing in it yet."""
    async with open_database(settings.database_url.get_secret_value(), load_queries(), size=4, timeout=30) as database:
        service = build_service(settings, database, lambda: None)
        now = utc_now() - timedelta(seconds=1)
        await service.gate.install(settings.organisation_id, load_presets()["in-mp-2014"], now)
        async with database.transaction() as rows:
            account = await rows.one("account", settings.organisation_id, ADMINISTRATOR)
        assert account is not None
        principal = Principal(account["id"], settings.organisation_id, "सुनीता परमार", frozenset(Permission))
        yield World(service, database, settings, principal)
