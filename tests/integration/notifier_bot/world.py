"""The bot against the sandbox, with real stores and without Kafka: events are handed over, the outbox read."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import aiohttp
from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter
from redis.asyncio import Redis

from services.notifier.app import texts
from services.notifier.bot.edge import Config, Telegram, Tools
from services.notifier.channels.twilio import Account, Twilio
from services.notifier.domain.ports import Channel as Way
from services.notifier.service.conversation import Conversation
from services.notifier.service.conversation import Keys as ConversationKeys
from services.notifier.service.metrics import Metrics
from services.notifier.service.opening import Opener
from services.notifier.service.requests import Requests
from services.notifier.service.sender import Sender
from services.notifier.service.sending import Parts
from services.notifier.store.database import Database
from services.notifier.store.inbound import Inbound
from services.notifier.store.ledger import Ledger
from services.notifier.store.pacing import Limit, Pacing
from services.notifier.store.requests import Requests as RequestStore
from services.notifier.store.vault import Vault
from services.sandbox.api import telegram, twilio
from services.sandbox.api.wire import Cable
from services.sandbox.app import account_of
from services.sandbox.channels import HttpPost, session
from services.sandbox.domain import person
from services.sandbox.domain.chats import Chat, Message
from services.sandbox.domain.faults import Api, Fault
from services.sandbox.domain.person import ContactKind
from services.sandbox.service.sandbox import Sandbox
from services.sandbox.settings import Settings as SandboxSettings
from shared import ids
from shared.clock import utc_now
from shared.events import (
    EVENTS,
    ChallengeEvent,
    ChallengeVerified,
    Event,
    Evidence,
    Lane,
    MessageRequested,
    Notice,
    Outcome,
    ReplyJudged,
    ReplyReceived,
    Result,
    Via,
)
from shared.events import Channel as ChannelName
from shared.lifecycle import Tasks
from shared.phone import Fingerprinter, normalise
from shared.settings import ORGANISATION
from shared.web import create_web, serving
from tests.integration.notifier.asking import Asking, ring, sealer

TOKEN = "7000000001:AAH-made-up-token-of-the-sandbox-0000"
BOT = 7_000_000_001
PHONE = "+915550000210"
OTHER = "+915550000211"
BOUND = 60.0
"""Seconds in which a condition must become true."""
_EVIDENCE: TypeAdapter[Evidence] = TypeAdapter(Evidence)


class Clock:
    """The real clock, which a test may set ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


async def until(question: Callable[[], Awaitable[Any]], seconds: float = BOUND) -> Any:
    """The first answer that is something; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await question()
            if answer:
                return answer
            await asyncio.sleep(0.01)


@dataclass
class World:
    """What a test acts on and looks at."""

    sandbox: Sandbox
    database: Database
    asking: Asking
    clock: Clock
    base: str
    limits: Limit
    valkey: "Redis"
    tasks: Tasks
    session: aiohttp.ClientSession
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    bot: Telegram = field(init=False, repr=False)
    requests: Requests = field(init=False, repr=False)
    conversation: Conversation = field(init=False, repr=False)

    # -- the service --
    @property
    def pacing(self) -> Pacing:
        """Limits of the bot and of the carrier."""
        limits = {f"telegram:{BOT}": self.limits, self._twilio().credential: Limit(1000)}
        return Pacing(self.valkey, limits, self.clock)

    @asynccontextmanager
    async def telegram(self, *, webhook: str | None = None) -> AsyncIterator[Telegram]:
        """The bot as long as the block: what a process is."""
        self.registry = CollectorRegistry()
        keys = self.asking.keys
        tools = Tools(
            database=self.database,
            vault=Vault(ring(keys.store)),
            pacer=self.pacing,
            sealer=sealer(keys, "notifier"),
            fingerprinter=Fingerprinter(ring(keys.fingerprint)),
            normalise=partial(normalise, test_prefixes=("+91555",)),
            registry=self.registry,
            clock=self.clock,
            jitter=lambda: 0.0,
            stated=lambda: None,
        )
        bot = Telegram(Config(TOKEN, self.base, webhook, "webhook-secret-of-the-tests"), tools)
        async with bot:
            yield bot

    @asynccontextmanager
    async def service(self) -> AsyncIterator["World"]:
        """Bot and sender engine, wired as in the service."""
        async with self.telegram() as self.bot, AsyncExitStack() as stack:
            keys = self.asking.keys
            opener, vault = Opener(sealer(keys, "notifier"), Vault(ring(keys.store))), Vault(ring(keys.store))
            channels: dict[ChannelName, Way] = {
                ChannelName.TELEGRAM: self.bot.channel, ChannelName.SMS: self._twilio(),
            }  # fmt: skip
            metrics = Metrics(CollectorRegistry(), [(c.provider, c.name.value) for c in channels.values()])
            parts = Parts(
                Ledger(self.database), self.pacing, channels, opener, metrics, self.clock, lambda: 0.0, lambda: None
            )
            senders = {lane: await stack.enter_async_context(Sender(parts, lane, workers=4)) for lane in Lane}
            wake = {lane: sender.wakeup.wake for lane, sender in senders.items()}
            store = RequestStore(self.database, self.bot.informant)
            self.requests = Requests(store, sealer(keys, "notifier"), wake, lambda: None)
            fingerprinter = Fingerprinter(ring(keys.fingerprint))
            self.conversation = Conversation(
                Inbound(self.database, self.bot.informant),
                ConversationKeys(sealer(keys, "notifier"), vault, fingerprinter, normalise),
                ORGANISATION, self.clock, metrics, sending=wake[Lane.URGENT], stated=lambda: None,
            )  # fmt: skip
            yield self

    def _twilio(self) -> Twilio:
        account = Account(
            "AC00000000000000000000000000005a5d", "sandbox-auth-token", "BL-BOOTHL", self.base, self.base, two_way=False
        )
        return Twilio(self.session, account, texts().write, self.clock)

    # -- what otp and registry state --
    async def invite(self, phone: str = PHONE, **more: Any) -> MessageRequested:
        """otp asks for an invitation; the sender delivers it."""
        event = self.asking.invitation(phone, **more)
        await self.requests.request(event, self.clock())
        return event

    async def known(self, phone: str = PHONE, **more: Any) -> MessageRequested:
        """An invitation that went out by SMS: known, with its handle, and delivered."""
        event = await self.invite(phone, **more)
        await until(lambda: self.state_of(event))
        return event

    async def state_of(self, event: MessageRequested) -> str | None:
        """Where a message stands, once it is settled."""
        row = await self.one("SELECT state FROM message WHERE id = $1", event.subject)
        return None if row["state"] in {"queued", "sending"} else str(row["state"])

    async def judge(self, reply: ReplyReceived, challenge: UUID, result: Result, **more: Any) -> None:
        """otp judges a reply."""
        outcome = Outcome(challenge_id=challenge, appointment_id=ids.new_id(), result=result, **more)
        await self.conversation.judged(
            ReplyJudged(
                organisation_id=ORGANISATION,
                subject=reply.subject,
                version=1,
                at=self.clock(),
                conversation_id=reply.conversation_id,
                outcomes=(outcome,),
            )
        )

    async def decided(self, event: MessageRequested, kind: type[ChallengeEvent], **more: Any) -> None:
        """otp states what became of a challenge."""
        assert event.challenge_id is not None
        assert event.appointment_id is not None
        fields = {
            "organisation_id": ORGANISATION,
            "subject": event.challenge_id,
            "version": 2,
            "at": self.clock(),
            "appointment_id": event.appointment_id,
            "cycle": 1,
        }
        if kind is ChallengeVerified:
            notice = Notice(version="1", language="hi", at=self.clock())
            fields |= {"via": Via.WEB, "verified_at": self.clock(), "notice": notice}
        await self.requests.decide(kind.model_validate(fields | more), self.clock())

    # -- what people do --
    def phone(self, *numbers: str, name: str = "सुनीता", language: str = "hi") -> None:
        """Somebody with Telegram on each of these numbers."""
        for number in numbers or (PHONE,):
            self.sandbox.world.create(number, name=name, language=language)

    def press_start(self, number: str = PHONE, payload: str = "") -> None:
        """Start, with the payload of a link or without."""
        world = self.sandbox.world
        person.start(world.telegram, world.account(number), self.sandbox.now(), payload)

    def write(self, number: str, text: str = "", **content: Any) -> None:
        """A text, or something else."""
        world = self.sandbox.world
        person.send(world.telegram, world.account(number), self.sandbox.now(), text=text, content=content or None)

    def share(self, number: str = PHONE, kind: ContactKind = ContactKind.OWN, other: str | None = None) -> None:
        """A contact."""
        world = self.sandbox.world
        claimed = person.claimed(kind, other, world.account)
        person.contact(world.telegram, world.account(number), self.sandbox.now(), kind, claimed)

    def tap(self, label: str, number: str = PHONE, *, chat_of: str | None = None, forged: str | None = None) -> None:
        """The newest button with this label."""
        world = self.sandbox.world
        chat = self.chat(chat_of or number)
        message, button = person.find_button(chat, label=label, data=None, message_id=None)
        data = forged or button["callback_data"]
        person.tap(world.telegram, world.account(number), self.sandbox.now(), message, data, chat=chat)

    async def link(self, number: str = PHONE, **more: Any) -> MessageRequested:
        """Invited by SMS, started by the link, own contact shared, asked."""
        event = await self.known(number, **more)
        assert event.challenge_id is not None
        self.press_start(number, event.challenge_id.hex)
        await self.says(number, "📱", keyboard=True)
        self.share(number)
        await self.says(number, "✓", button=True)
        await self.settled()
        return event

    # -- what they see --
    def chat(self, number: str = PHONE) -> Chat:
        """The chat with the bot."""
        world = self.sandbox.world
        return world.telegram.chats[world.account(number).id]

    def from_bot(self, number: str = PHONE) -> list[Message]:
        """The bot's messages, oldest first."""
        return [m for m in self.chat(number).messages if m.mine and not m.deleted]

    async def says(
        self, number: str, text: str, *, button: bool = False, keyboard: bool = False, after: int = 0
    ) -> Message:
        """The bot's newest message that holds `text` (or shows it on a button), behind its `after` messages."""

        async def look() -> Message | None:
            if keyboard:
                shown = self.chat(number).reply_keyboard
                return self.from_bot(number)[-1] if shown and text in str(shown) else None
            for message in reversed(self.from_bot(number)[after:]):
                labels = [b["text"] for row in message.inline for b in row]
                if (any(text in label for label in labels)) if button else text in message.text:
                    return message
            return None

        found: Message = await until(look)
        return found

    async def settled(self) -> None:
        """Nothing is on its way any more: updates handled, answers said."""

        async def look() -> bool:
            heard = {r["update_id"] for r in await self.rows("SELECT update_id FROM telegram_update")}
            if any(p.update_id not in heard for p in self.sandbox.world.telegram.updates.pending):
                return False
            row = await self.one(
                "SELECT (SELECT count(*) FROM telegram_update WHERE state = 'received') AS updates, "
                "(SELECT count(*) FROM telegram_answer WHERE state IN ('waiting', 'saying')) AS answers"
            )
            return not (row["updates"] or row["answers"])

        await until(look)

    async def replies(self) -> list[ReplyReceived]:
        """Replies in the outbox."""
        rows = await self.rows("SELECT type, body FROM outbox ORDER BY id")
        events: list[Event] = [EVENTS[row["type"]].model_validate_json(row["body"]) for row in rows]
        return [event for event in events if isinstance(event, ReplyReceived)]

    async def reply(self, number: int = 1) -> ReplyReceived:
        """The n-th reply, as soon as it is there."""

        async def look() -> list[ReplyReceived]:
            found = await self.replies()
            return found if len(found) >= number else []

        found: list[ReplyReceived] = await until(look)
        return found[number - 1]

    def evidence(self, reply: ReplyReceived) -> Evidence:
        """What the reply proves, as otp opens it."""
        otp = sealer(self.asking.keys, "otp")
        opened = otp.open(reply.evidence, sender="notifier", subject=str(reply.subject), field="evidence")
        return _EVIDENCE.validate_python(opened)

    def sms(self, number: str = PHONE) -> list[str]:
        """Texts of the SMS on this phone."""
        return [s.body for s in self.sandbox.world.phone(number).inbox if not s.inbound]

    def calls(self, method: str) -> list[dict[str, str]]:
        """Calls of this method, oldest first."""
        found = self.sandbox.world.journal.find(line="telegram", method=method, target="", after=0, limit=3000)
        return [dict(call.params) for call in reversed(found)]

    def fault(self, method: str = "", **rule: Any) -> Fault:
        """Switch on a fault of the Bot API."""
        return self.sandbox.world.faults.add(Fault(api=Api.TELEGRAM, method=method, **rule))

    async def account(self, number: str = PHONE) -> Any:
        """The row of an account, or None."""
        user_id = self.sandbox.world.account(number).id
        rows = await self.rows("SELECT * FROM telegram_account WHERE user_id = $1", user_id)
        return rows[0] if rows else None

    async def rows(self, query: str, *arguments: object) -> Sequence[Any]:
        """Rows of the notifier's database."""
        async with self.database.connection() as db:
            found: Sequence[Any] = await db.fetch(query, *arguments)
        return found

    async def one(self, query: str, *arguments: object) -> Any:
        """The only row."""
        return (await self.rows(query, *arguments))[0]

    def metric(self, name: str, **labels: str) -> float:
        """A metric of the bot."""
        return self.registry.get_sample_value(f"boothline_telegram_{name}", labels) or 0.0


EMPTY = """
DO $$ BEGIN EXECUTE (
  SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
  WHERE schemaname = 'public' AND tablename <> 'alembic_version');
END $$
"""


@asynccontextmanager
async def bot_api(tasks: Tasks, clock: Clock) -> AsyncIterator[tuple[Sandbox, str]]:
    """The sandbox as a process runs it, without its pages and control API: tests act on it directly."""
    settings = SandboxSettings(port=0, retry_first=0.05)
    account = account_of(settings)
    async with session() as http:
        sandbox = Sandbox(account, username="boothline_bot", clock=clock, nonce=nonce, post=HttpPost(http))
        tasks.spawn(sandbox.deliveries.run(), name="deliveries")
        tasks.spawn(sandbox.bot_api.push(), name="webhook")
        web = create_web("sandbox", CollectorRegistry(), {})
        web.include_router(telegram.routes(sandbox, TOKEN))
        web.include_router(twilio.routes(sandbox, account))
        async with serving(Cable(web), "127.0.0.1", 0, tasks) as port:
            try:
                yield sandbox, f"http://127.0.0.1:{port}"
            finally:
                sandbox.changes.stop()


@asynccontextmanager
async def world(url: str, valkey_url: str, limits: Limit) -> AsyncIterator[World]:
    """A sandbox and stores, no service yet."""
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(Tasks())
        clock = Clock()
        sandbox, base = await stack.enter_async_context(bot_api(tasks, clock))
        database = await stack.enter_async_context(Database(url, connections=20))
        async with database.connection() as db:
            await db.execute(EMPTY)
        valkey = Redis.from_url(valkey_url)
        stack.push_async_callback(valkey.aclose)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        asking = Asking(clock())
        yield World(sandbox, database, asking, clock, base, limits, valkey, tasks, session)


def nonce() -> str:
    """Something that nobody else has."""
    return secrets.token_hex(8)
