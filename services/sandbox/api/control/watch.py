"""What tests look at: the call log, the SMS sent, and waiting for something to arrive."""

from collections import Counter
from typing import Literal

from fastapi import APIRouter, Query

from services.sandbox.api.control.rooms import room
from services.sandbox.api.control.views import CallOut, Found, MessageOut, SmsOut, UnderWay
from services.sandbox.domain.carrier import Sms
from services.sandbox.domain.chats import Message
from services.sandbox.domain.journal import Call
from services.sandbox.service.sandbox import Sandbox

LONGEST_WAIT = 60.0


def routes(sandbox: Sandbox) -> APIRouter:
    """/control/calls, /control/sms, /control/under-way, /control/wait."""
    router = APIRouter(tags=["watch"])
    logs(router, sandbox)
    waiting(router, sandbox)
    return router


def logs(router: APIRouter, sandbox: Sandbox) -> None:
    """What was called and sent."""

    @router.get("/calls")
    async def calls(
        line: str = "", method: str = "", target: str = "", after: int = 0, limit: int = Query(100, ge=1, le=3000)
    ) -> list[CallOut]:
        """The newest calls that fit, newest first. Long polls that brought nothing are not noted."""
        wanted = plus(target)
        found = sandbox.world.journal.find(line=line, method=method, target=wanted, after=after, limit=limit)
        return [CallOut.of(c) for c in found]

    @router.get("/sms")
    async def sent(to: str = "", after: int = 0, limit: int = Query(100, ge=1, le=50_000)) -> list[SmsOut]:
        """Messages that the carrier accepted behind sequence number `after`, oldest first."""
        wanted = plus(to)
        kept = (s for s in sandbox.world.carrier.messages.values() if s.seq > after and wanted in {"", s.to})
        return [SmsOut.of(s) for s, _ in zip(kept, range(limit), strict=False)]

    @router.get("/under-way")
    async def under_way() -> UnderWay:
        """What the caller will hear of without anybody doing anything more."""
        return UnderWay(deliveries=sandbox.deliveries.under_way, updates=len(sandbox.world.telegram.updates.pending))

    @router.get("/sms/counts")
    async def counts(parameter: str = "") -> dict[str, int]:
        """How many accepted messages carry each id in their callback URL, in this parameter of its query or, without
        one, as the end of its path: repeats show as 2."""
        ids = (s.caller_id(parameter) for s in sandbox.world.carrier.messages.values())
        return dict(Counter(i for i in ids if i is not None))


def waiting(router: APIRouter, sandbox: Sandbox) -> None:
    """Long poll for tests."""

    @router.get("/wait")
    async def wait(
        *,
        kind: Literal["sms", "chat", "channel", "call"],
        phone: str = "",
        chat_id: int = 0,
        method: str = "",
        target: str = "",
        contains: str = "",
        after: int = 0,
        timeout: float = Query(20.0, ge=0, le=LONGEST_WAIT),
    ) -> Found:
        """Wait for the first item behind sequence number `after`: an SMS to a phone, a message of the bot in a
        phone's chat or in a channel, a call. A phone that does not exist yet is waited for as well."""
        if kind == "call":
            return await call(method, plus(target), after, timeout)
        if kind == "sms":
            sms = await sandbox.wait_for(
                lambda: [s for s in inbox(phone) if not s.inbound], after=after, contains=contains, timeout=timeout
            )
            return Found(found=sms is not None, sms=sms and SmsOut.of(sms))
        message = await sandbox.wait_for(
            lambda: [m for m in posts(phone, chat_id) if m.mine and not m.deleted],
            after=after,
            contains=contains,
            timeout=timeout,
        )
        return Found(found=message is not None, message=message and MessageOut.of(message))

    def inbox(phone: str) -> list[Sms]:
        found = sandbox.world.phones.get(plus(phone))
        return list(found.inbox) if found else []

    def posts(phone: str, chat_id: int) -> list[Message]:
        if chat_id:
            return list(room(sandbox, chat_id).messages)
        found = sandbox.world.phones.get(plus(phone))
        return list(sandbox.world.telegram.chats[found.account.id].messages) if found and found.account else []

    async def call(method: str, target: str, after: int, timeout: float) -> Found:
        def look() -> Call | None:
            found = sandbox.world.journal.find(method=method, target=target, after=after, limit=3000)
            return found[-1] if found else None

        made = await sandbox.changes.until(look, timeout)
        return Found(found=made is not None, call=made and CallOut.of(made))


def plus(number: str) -> str:
    """A phone as the sandbox writes it: an unescaped plus sign arrives as a blank in a query. Chat ids stay."""
    stripped = number.strip()
    return f"+{stripped.lstrip('+')}" if number.startswith((" ", "+")) else stripped
