"""SMS from people: kept before 200, understood, judged by otp, answered at most once and within caps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import aiohttp
import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.notifier.api.twilio import EMPTY, install, routes
from services.notifier.app import texts
from services.notifier.channels.twilio import SIGNATURE, Account, Twilio, sign
from services.notifier.domain.ports import Silent
from services.notifier.service.conversation import Conversation, Keys
from services.notifier.service.receipts import Receipts
from services.notifier.store import rows
from services.notifier.store.inbound import Inbound
from shared import ids
from shared.events import (
    EVENTS,
    Channel,
    Lane,
    MessageRequested,
    Outcome,
    PersonErased,
    ReplyJudged,
    ReplyReceived,
    Result,
)
from shared.phone import Fingerprinter, normalise
from shared.settings import ORGANISATION
from shared.web import create_web
from tests.integration.notifier.asking import CODE, ring, sealer
from tests.integration.notifier.engine import Engine, engine, until
from tests.integration.notifier.test_sending import link

PHONE = "+915550000210"
PUBLIC = "https://n.boothline.in"
TOKEN = "t" * 32


class Ear(Silent):
    """A bot that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def judged(self, tx: object, event: ReplyJudged) -> None:  # noqa: ARG002 # the port's signature
        """Noted."""
        self.heard.append(event)


@dataclass
class World:
    """A notifier with its HTTP edge, but no Kafka."""

    engine: Engine
    conversation: Conversation
    http: httpx.AsyncClient
    ear: Ear
    sids: int = 0
    signer: Callable[..., str] = field(default=sign)

    async def post(self, path: str, params: dict[str, str], signature: str | None = None) -> httpx.Response:
        """As Twilio calls."""
        signed = sign(TOKEN, PUBLIC + path, list(params.items())) if signature is None else signature
        return await self.http.post(path, data=params, headers={SIGNATURE: signed})

    async def text(self, body: str, *, sender: str = PHONE, sid: str | None = None, opt_out: str = "") -> UUID:
        """A person writes; handled when this returns."""
        self.sids += 1
        sid = sid or f"SM{self.sids}"
        params = {"MessageSid": sid, "From": sender, "To": "+15005550006", "Body": body}
        answer = await self.post("/twilio/inbound", params | ({"OptOutType": opt_out} if opt_out else {}))
        assert (answer.status_code, answer.text) == (200, EMPTY)
        await self.handled()
        return ids.reply_id("twilio", sid)

    async def handled(self) -> None:
        """Everything kept is handled."""
        while await self.conversation._store.next(self.conversation._safely, self.engine.clock()):
            pass

    async def replies(self) -> list[ReplyReceived]:
        """Replies in the outbox."""
        async with self.engine.database.connection() as db:
            rows = await db.fetch("SELECT type, body FROM outbox WHERE type LIKE 'reply.%' ORDER BY id")
        events = [EVENTS[row["type"]].model_validate_json(row["body"]) for row in rows]
        return [event for event in events if isinstance(event, ReplyReceived)]

    async def evidence(self) -> list[dict[str, Any]]:
        """What otp would open."""
        otp = sealer(self.engine.asking.keys, "otp")
        opened = [
            otp.open(reply.evidence, sender="notifier", subject=str(reply.subject), field="evidence")
            for reply in await self.replies()
        ]
        return [dict(evidence) for evidence in opened if isinstance(evidence, dict)]

    async def judge(self, reply: UUID, request: MessageRequested | None, result: Result, **more: Any) -> None:
        """otp decides."""
        outcomes: tuple[Outcome, ...] = ()
        if request is not None:
            assert request.challenge_id is not None
            assert request.appointment_id is not None
            outcomes = (
                Outcome(
                    challenge_id=request.challenge_id, appointment_id=request.appointment_id, result=result, **more
                ),
            )
        await self.conversation.judged(
            ReplyJudged(
                organisation_id=ORGANISATION, subject=reply, version=1, at=self.engine.clock(),
                conversation_id=ids.new_id(), outcomes=outcomes,
            )
        )  # fmt: skip

    async def answers(self) -> list[str]:
        """What was sent to the phone as an answer."""
        async with self.engine.database.connection() as db:
            count = await db.fetchval("SELECT count(*) FROM message WHERE template = 'answer'")
        sms = self.engine.channels[Channel.SMS]
        async with self.engine.sender():

            async def all_sent() -> bool:
                async with self.engine.database.connection() as db:
                    waiting = await db.fetchval("SELECT count(*) FROM message WHERE state IN ('queued', 'sending')")
                return bool(waiting == 0)

            await until(all_sent)
        found = [outgoing.body for outgoing in sms.sent if outgoing.address == PHONE and "@" not in outgoing.body]
        assert len(found) == count
        return found


@asynccontextmanager
async def world(url: str) -> AsyncIterator[World]:
    ear = Ear()
    async with engine(url, informant=ear) as e, aiohttp.ClientSession() as session:
        keys = Keys(
            e.sealer,
            e.vault,
            Fingerprinter(ring(e.asking.keys.fingerprint)),
            partial(normalise, test_prefixes=("+91555",)),
        )
        conversation = Conversation(
            Inbound(e.database, ear), keys, ORGANISATION, e.clock, e.metrics, sending=e._nothing, stated=e._nothing
        )
        account = Account("ACtest", TOKEN, "+15005550006", "http://127.0.0.1:1", PUBLIC, two_way=True)
        twilio = Twilio(session, account, texts().write, e.clock)
        app = create_web("test", CollectorRegistry(), {})
        receipts = Receipts(e.afterwards, e.clock, e.metrics, e._nothing)
        install(app, twilio, receipts)
        app.include_router(routes(twilio, conversation))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as http:
            yield World(e, conversation, http, ear)


async def test_a_code_by_sms_becomes_sealed_evidence_of_its_phone(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        reply = await w.text("४८२१०७")
        (received,) = await w.replies()
        prints = w.engine.asking.prints(PHONE)
        assert received.subject == reply
        assert received.conversation_id == ids.conversation_id("sms", next(iter(prints.values())))
        (evidence,) = await w.evidence()
        assert evidence["kind"] == "code"
        assert (evidence["code"], evidence["fingerprints"], evidence["name_consent"]) == (CODE, prints, False)
        assert CODE not in received.model_dump_json()


async def test_no_with_the_code_is_evidence_of_a_refusal(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        await w.text(f"नहीं {CODE}")
        (evidence,) = await w.evidence()
        assert (evidence["kind"], evidence["code"]) == ("refusal", CODE)


async def test_a_redelivered_sms_is_the_same_reply(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        for _ in range(3):
            await w.text(CODE, sid="SMsame")
        assert len(await w.replies()) == 1


async def test_the_row_is_committed_before_the_answer_and_holds_nothing_readable(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        params = {"MessageSid": "SM1", "From": PHONE, "Body": CODE}
        assert (await w.post("/twilio/inbound", params)).status_code == 200
        async with w.engine.database.connection() as db:
            before = str(await db.fetchval("SELECT to_jsonb(i)::text FROM inbound_sms i"))
        await w.handled()
        async with w.engine.database.connection() as db:
            after = str(await db.fetchval("SELECT to_jsonb(i)::text FROM inbound_sms i"))
        for text in (before, after):
            assert PHONE[-10:] not in text
            assert CODE not in text
        assert '"state": "done"' in after


async def test_stop_is_an_opt_out_of_announcements_and_never_a_refusal_and_start_undoes_it(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        e = w.engine
        await w.text("STOP")
        assert await w.replies() == []
        news = await e.request(e.asking.announcement(PHONE))
        async with e.sender(Lane.BULK):
            assert (await e.reaches(news, "failed"))["reason"] == "opted_out"
        await w.text("START")
        news = await e.request(e.asking.announcement(PHONE))
        async with e.sender(Lane.BULK):
            await e.reaches(news, "accepted")


async def test_an_opt_out_that_the_carrier_answers_itself_is_not_answered_again(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        await w.text("STOP", opt_out="STOP")
        assert await w.answers() == []


async def test_what_nobody_understands_gets_a_short_help_three_times_a_day(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        for _ in range(5):
            await w.text("hello")
        assert len(await w.answers()) == 3
        w.engine.move(24 * 3600 + 1)
        await w.text("hello")
        assert len(await w.answers()) == 4


async def test_a_refusal_without_the_code_is_told_how(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        await w.text("नहीं")
        (answer,) = await w.answers()
        assert "NO" in answer
        assert await w.replies() == []


async def test_a_verified_reply_is_answered_once_with_post_and_unit(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        request = w.engine.asking.invitation(PHONE)
        await w.engine.request(request)
        reply = await w.text(CODE)
        for _ in range(3):
            await w.judge(reply, request, Result.VERIFIED)
        (answer,) = await w.answers()
        assert "बूथ अध्यक्ष" in answer
        assert "बूथ 210" in answer


async def test_a_wrong_code_is_answered_with_the_guesses_left_and_a_lock_with_whom_to_ask(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        request = w.engine.asking.invitation(PHONE, language="en")
        await w.engine.request(request)
        await w.judge(await w.text("111111"), request, Result.WRONG, guesses_left=2)
        await w.judge(await w.text("111112"), request, Result.LOCKED)
        wrong, locked = await w.answers()
        assert "2 tries left" in wrong
        assert "Mahesh Patel" in locked


async def test_a_reply_for_which_nothing_is_open_is_told_so(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        await w.judge(await w.text(CODE), None, Result.OVER)
        (answer,) = await w.answers()
        assert "आमंत्रण" in answer


async def test_answers_have_a_cap_of_their_own(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        request = w.engine.asking.invitation(PHONE)
        await w.engine.request(request)
        for n in range(14):
            await w.judge(await w.text(f"{111111 + n}"), request, Result.WRONG, guesses_left=2)
        assert len(await w.answers()) == 10


async def test_a_reply_that_did_not_come_by_sms_is_the_bots(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        await w.judge(ids.new_id(), None, Result.OVER)
        assert len(w.ear.heard) == 1
        assert await w.answers() == []


async def test_a_sender_that_is_no_phone_gets_no_answer(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        await w.text("hello", sender="VM-BANKIN")
        await w.text("482107", sender="56161")
        assert await w.replies() == []
        assert await w.answers() == []


async def test_an_unsigned_call_is_refused_before_anything_is_kept(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        params = {"MessageSid": "SM1", "From": PHONE, "Body": CODE, "MessageStatus": "delivered"}
        for path in ("/twilio/inbound", f"/twilio/status/{ids.new_id()}?try=1"):
            for signature in ("", "wrong", sign("other", PUBLIC + path, list(params.items()))):
                assert (await w.post(path, params, signature)).status_code == 403
        async with w.engine.database.connection() as db:
            assert await db.fetchval("SELECT count(*) FROM inbound_sms") == 0
            assert await db.fetchval("SELECT count(*) FROM receipt") == 0


async def test_a_signed_receipt_is_kept_and_stated(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        e = w.engine
        message = await e.request(e.asking.invitation())
        async with e.sender():
            await e.reaches(message, "accepted")
        path = f"/twilio/status/{message}?try=1"
        for status in ("delivered", "sent", "delivered"):
            answer = await w.post(path, {"MessageSid": "SM1", "MessageStatus": status})
            assert answer.status_code == 204
        assert await e.told(message) == ["accepted", "delivered"]


async def test_a_receipt_with_a_malformed_address_is_a_clear_error(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        for path in (
            f"/twilio/status/{ids.new_id()}?try=x",
            f"/twilio/status/{ids.new_id()}",
            "/twilio/status/nonsense",
        ):
            assert (await w.post(path, {"MessageStatus": "delivered"})).status_code == 422


async def test_erasing_a_person_leaves_nothing_of_them(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        e = w.engine
        request = e.asking.invitation(PHONE)
        await e.request(request)
        await w.text(CODE)
        await w.text("STOP")
        prints = e.asking.prints(PHONE)
        await e.requests.erase(erased(e, request), e.clock())
        async with e.database.connection() as db:
            tables = ("message", "invitation", "inbound_sms", "suppression", "telegram_account")
            rows = [str(r[0]) for t in tables for r in await db.fetch(f"SELECT to_jsonb(x)::text FROM {t} x")]  # noqa: S608
        (print_,) = prints.values()
        assert not [row for row in rows if print_ in row or '"s1.' in row or '"v1.' in row]
        (dropped,) = await e.stated(request.subject)
        assert dropped.model_dump()["reason"] == "dropped"
        again = e.asking.invitation(PHONE, appointment=request.appointment_id, attempt=2)
        await e.request(again)
        assert await e.row(again.subject) is None


async def test_start_by_sms_takes_back_a_stop_in_the_bot_too(notifier_url: str) -> None:
    """The answer says: you get news again."""
    async with world(notifier_url) as w:
        e = w.engine
        await link(e.database, list(e.asking.prints(PHONE).values()), timedelta(days=1), e.clock())
        async with e.database.connection() as db:
            await db.execute("UPDATE telegram_account SET announcements = false")
            await w.text("START")
            assert await db.fetchval("SELECT announcements FROM telegram_account")


def erased(e: Engine, request: MessageRequested) -> PersonErased:
    """The registry erases the person of a request."""
    return PersonErased.model_validate(
        {
            "organisation_id": ORGANISATION, "subject": ids.new_id(), "version": 1, "at": e.clock(),
            "appointment_ids": [request.appointment_id], "fingerprints": [e.asking.prints(PHONE)],
        }
    )  # fmt: skip


WAITS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""


async def test_a_message_that_is_being_taken_while_its_person_is_erased_is_forgotten_too(
    notifier_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adding, go, add = asyncio.Event(), asyncio.Event(), rows.add

    async def slowly(*arguments: Any) -> set[UUID]:
        adding.set()
        await go.wait()
        return await add(*arguments)

    monkeypatch.setattr(rows, "add", slowly)
    async with engine(notifier_url) as e, asyncio.TaskGroup() as group:
        request = e.asking.announcement(PHONE)
        group.create_task(e.request(request))
        await adding.wait()
        erasing = group.create_task(e.requests.erase(erased(e, request), e.clock()))

        async def held() -> bool:
            async with e.database.connection() as db:
                waits = await db.fetchval(WAITS)
            return erasing.done() or bool(waits)

        await until(held)
        go.set()
        await erasing
        assert (await e.reaches(request.subject, "queued"))["contact"] is None


async def test_a_row_that_cannot_be_read_is_set_aside_and_the_next_one_is_handled(notifier_url: str) -> None:
    async with world(notifier_url) as w:
        await w.post("/twilio/inbound", {"MessageSid": "SMbad", "From": PHONE, "Body": CODE})
        async with w.engine.database.connection() as db:
            await db.execute("UPDATE inbound_sms SET payload = 'v1.1.bm9uc2Vuc2U='")
        await w.text(CODE)
        assert len(await w.replies()) == 1
        async with w.engine.database.connection() as db:
            rows = await db.fetch("SELECT state, tries FROM inbound_sms ORDER BY received_at, state")
        assert sorted((row["state"], row["tries"]) for row in rows) == [("dead", 5), ("done", 0)]
