"""otp on a real Valkey with everything around it in the test's hands: the clock, both neighbours' keys, the topics."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
from nacl.public import PrivateKey
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.otp.api import Pages, confirm_routes, operator_routes
from services.otp.api.confirm import Confirm
from services.otp.api.pages import FOLDER
from services.otp.domain.codes import Codes
from services.otp.domain.policy import Policy
from services.otp.relay import Composer, Relay, RelayMetrics
from services.otp.service import Otp
from services.otp.store import Outbox, Scripts, ValkeyChallenges
from shared import ids
from shared.assets import Assets
from shared.events import (
    AppointmentEnded,
    AppointmentRecorded,
    AppointmentReissued,
    Event,
    Fingerprints,
    Label,
    Lane,
    MessageRequested,
    Notice,
    PostRef,
    Record,
    ReplyReceived,
    UnitRef,
    Via,
    decode,
)
from shared.events.envelope import Channel
from shared.events.notifier import DeliveryEvent
from shared.seal import Sealer, about_appointment
from shared.web import create_web

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PUBLIC_URL = "https://c.example.org"
ORGANISATION = UUID("01900000-0000-7000-8000-0000b0074111")
KEYS = {"k1": b"1" * 32, "k2": b"2" * 32}
OPERATOR_KEY = "o" * 32
HEADERS = {"sec-fetch-site": "same-origin"}

E = TypeVar("E", bound=Event)
D = TypeVar("D", bound=DeliveryEvent)


def fingerprint(phone: str, version: str = "v1") -> str:
    """As registry and notifier compute it."""
    return hmac.digest(version.encode(), phone.encode(), hashlib.sha256).hex()


def sealers() -> dict[str, Sealer]:
    """One for each service, with each other's keys."""
    names = ("registry", "otp", "notifier")
    keys = {name: PrivateKey.generate() for name in names}
    peers = {f"{name}/a": b64encode(bytes(key.public_key)).decode() for name, key in keys.items()}
    return {name: Sealer(name, {"a": b64encode(bytes(key)).decode()}, peers) for name, key in keys.items()}


@dataclass
class Topics:
    """Stands in for the bus: keeps what is published."""

    records: list[Record] = field(default_factory=list)
    failing: Exception | None = None

    async def publish(self, records: Sequence[Record]) -> None:
        """Keep them, or fail."""
        if self.failing:
            raise self.failing
        self.records.extend(records)


@dataclass(frozen=True)
class Sent:
    """A message request, opened as the notifier does."""

    event: MessageRequested
    handle: str
    link: str
    code: str | None


class World:
    """otp and its surroundings."""

    def __init__(self, valkey: Redis, policy: Policy | None = None, keys: dict[str, bytes] | None = None) -> None:
        self.now = START
        self.valkey = valkey
        self.policy = policy or Policy()
        self.seal = sealers()
        self.topics = Topics()
        self.use_keys(keys or {"k1": KEYS["k1"]})

    def use_keys(self, keys: dict[str, bytes]) -> None:
        """Build the service with these code keys, as a restart would."""
        self.codes = Codes(keys)
        self.scripts = Scripts(self.valkey, self.policy)
        self.challenges = ValkeyChallenges(self.valkey, self.scripts)
        self.otp = Otp(self.challenges, self.codes, self.seal["otp"], self.policy)
        self.outbox = Outbox(self.valkey, self.scripts, "test")
        composer = Composer(self.codes, self.seal["otp"], PUBLIC_URL)
        self.metrics = CollectorRegistry()
        self.relay = Relay(self.outbox, composer, self.topics, RelayMetrics(self.metrics), self.clock)
        assets = Assets(FOLDER / "static")
        web = create_web("otp", CollectorRegistry(), {"valkey": self.challenges.ping})
        pages = Pages(assets.url, https=True)
        web.include_router(
            confirm_routes(Confirm(self.otp, pages, self.clock, ids.new_id, "https://t.me/boothline_bot"))
        )
        web.include_router(assets.routes())
        web.include_router(operator_routes(self.otp, self.clock, OPERATOR_KEY))
        self.app = web

    def clock(self) -> datetime:
        """The test's time."""
        return self.now

    def later(self, **delta: float) -> None:
        """Let time pass."""
        self.now += timedelta(**delta)

    def browser(self) -> httpx.AsyncClient:
        """A person's browser on the confirm page."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=HEADERS)

    # what the registry states

    def recorded(
        self,
        appointment: UUID | None = None,
        *,
        phone: str = "+915550000210",
        cycle: int = 1,
        version: int = 1,
        mode: str = "live",
        language: str = "hi",
        fingerprints: Fingerprints | None = None,
        not_after: timedelta = timedelta(days=7),
        post: str = "booth_president",
    ) -> AppointmentRecorded | AppointmentReissued:
        """An appointment is recorded, or issued again in a later cycle."""
        subject = appointment or ids.new_id()
        about = about_appointment(subject, cycle)
        page = {"appointee": {"hi": "अनीता कु॰", "en": "Anita K."}, "recorder": "सुनीता परमार"}
        contact = {"phone": phone, "appointee": {"hi": "अनीता कुशवाहा", "en": None}, "recorder": "सुनीता परमार"}
        kind = AppointmentRecorded if cycle == 1 else AppointmentReissued
        return kind.model_validate(
            {
                "organisation_id": ORGANISATION,
                "subject": subject,
                "version": version,
                "at": self.now,
                "not_after": self.now + not_after,
                "cycle": cycle,
                "organisation": Label(hi="जनसेवा संगठन", en="Janseva Sangathan"),
                "unit": UnitRef(
                    id=UUID(int=223), code="223", label=Label(hi="बूथ 223", en="Booth 223"), within=Label(hi="कोलार मंडल")
                ),
                "post": PostRef(code=post, label=Label(hi="बूथ अध्यक्ष", en="Booth president")),
                "language": language,
                "mode": mode,
                "fingerprints": fingerprints or {"v1": fingerprint(phone)},
                "phone_last3": phone[-3:],
                "for_otp": self.seal["registry"].seal("otp", about, "page", page),
                "for_notifier": self.seal["registry"].seal("notifier", about, "contact", contact),
                "notice": Notice(version="1", language="hi", at=self.now),
                "recorded_at": self.now,
            }
        )

    def ended(self, appointment: UUID, version: int, cycle: int = 1) -> AppointmentEnded:
        """The appointment is over."""
        return AppointmentEnded(
            organisation_id=ORGANISATION,
            subject=appointment,
            version=version,
            at=self.now,
            cycle=cycle,
            reason="resigned",
        )

    async def opened(self, **how: Any) -> Sent:
        """Record, and return the message that went out."""
        await self.otp.open(self.recorded(**how), self.now)
        return self.messages(await self.published())[-1]

    # what the notifier states

    def reply(self, evidence: dict[str, Any], via: Via = Via.SMS, reply: UUID | None = None) -> ReplyReceived:
        """A person's answer, sealed as the notifier does."""
        subject = reply or ids.new_id()
        return ReplyReceived(
            organisation_id=ORGANISATION,
            subject=subject,
            version=1,
            at=self.now,
            conversation_id=ids.conversation_id(via, "1"),
            via=via,
            evidence=self.seal["notifier"].seal("otp", str(subject), "evidence", evidence),
        )

    def code_reply(self, code: str, phone: str = "+915550000210", **more: Any) -> ReplyReceived:
        """An SMS with a code."""
        return self.reply(self.code_evidence(code, phone, **more))

    def code_evidence(self, code: str, phone: str = "+915550000210", **more: Any) -> dict[str, Any]:
        """Evidence of a code."""
        return {
            "kind": "code",
            "fingerprints": {"v1": fingerprint(phone)},
            "code": code,
            "notice_version": "1",
            "language": "hi",
            **more,
        }

    def tap(
        self, act: str, challenge: UUID, phone: str = "+915550000210", *, reply: UUID | None = None, **more: Any
    ) -> ReplyReceived:
        """A tap in the bot."""
        evidence = {
            "kind": "tap",
            "act": act,
            "challenge_id": str(challenge),
            "fingerprints": {"v1": fingerprint(phone)},
            "contact_shared_at": self.now.isoformat(),
            "notice_version": "1",
            "language": "hi",
            **more,
        }
        return self.reply(evidence, Via.TELEGRAM, reply)

    def delivery(self, kind: type[D], message: MessageRequested, version: int = 1, **more: Any) -> D:
        """What became of a message."""
        return kind.model_validate(
            {
                "organisation_id": ORGANISATION,
                "subject": message.subject,
                "version": version,
                "at": self.now,
                "lane": Lane.URGENT,
                "template": "invitation",
                "channel": Channel.SMS,
                "provider": "twilio",
                "attempt": message.attempt,
                "appointment_id": message.appointment_id,
                "cycle": message.cycle,
                "challenge_id": message.challenge_id,
                **more,
            }
        )

    # what otp states

    async def published(self) -> list[Event]:
        """Relay what lies in the outbox; the events of this time."""
        self.topics.records.clear()
        await self.outbox.prepare(self.now)
        while True:
            with_pending = [*await self.outbox.unfinished(500), *await self.outbox.take_now(500)]
            if not with_pending:
                break
            await self.relay.publish(with_pending)
        return [decode(record.value, record.headers) for record in self.topics.records]

    def messages(self, events: Sequence[Event]) -> list[Sent]:
        """The message requests among them, opened."""
        return [self._open(event) for event in events if isinstance(event, MessageRequested)]

    def _open(self, event: MessageRequested) -> Sent:
        assert event.secrets is not None
        opened = self.seal["notifier"].open(event.secrets, sender="otp", subject=str(event.subject), field="secrets")
        assert isinstance(opened, dict)
        return Sent(event, opened["handle"], opened["link"], opened["code"])

    async def everything(self) -> dict[str, str]:
        """All of Valkey, as text."""
        found: dict[str, str] = {}
        async for key in self.valkey.scan_iter(count=1000):
            kind = await self.valkey.type(key)
            match kind:
                case "string":
                    value: object = await self.valkey.get(key)
                case "hash":
                    value = sorted((await self.valkey.hgetall(key)).items())  # in whatever order its table is now
                case "set":
                    value = sorted(await self.valkey.smembers(key))
                case "zset":
                    value = await self.valkey.zrange(key, 0, -1, withscores=True)
                case _:
                    value = await self.valkey.xrange(key)
            found[key] = str(value)
        return found


def only(events: Sequence[Event], kind: type[E]) -> list[E]:
    """The events of this kind."""
    return [event for event in events if isinstance(event, kind)]


def wrong_code(right: str, step: int = 1) -> str:
    """A code that is not `right`."""
    return str((int(right) + step) % 1_000_000).zfill(6)
