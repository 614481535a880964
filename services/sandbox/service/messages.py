"""The carrier at work: it takes messages, reports on them, and passes on what phones answer."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial

from services.sandbox.domain.carrier import Phone, Sms
from services.sandbox.domain.failures import CarrierRefusal
from services.sandbox.domain.faults import Api, Fault
from services.sandbox.domain.journal import Line
from services.sandbox.domain.receipts import Receipts, Step, sign
from services.sandbox.domain.world import World
from services.sandbox.service.deliveries import ATTEMPTS, Deliveries, Post, pause
from services.sandbox.service.outcome import Json, Outcome, under

EARLY_LIMIT = 10.0
"""Seconds that early receipts may hold up the 201."""

TEXTS = {20003: "Authenticate", 20429: "Too Many Requests", 20500: "Internal Server Error"}


@dataclass(frozen=True, slots=True)
class AccountLine:
    """The account and its addresses."""

    account_sid: str
    auth_token: str
    inbound_url: str
    senders: frozenset[str]
    retry_first: float


class Messages:
    """Twilio's Messages resource and its webhooks."""

    def __init__(
        self, account: AccountLine, world: Callable[[], World], now: Callable[[], float], post: Post, due: Deliveries
    ) -> None:
        self.account, self._world, self._now, self._post, self._due = account, world, now, post, due

    async def send(self, form: Mapping[str, str]) -> Outcome:
        """Take one message, under the fault that is in force for its recipient."""
        world, to = self._world(), form.get("To", "")
        fault = world.faults.take(Api.SMS, "send", to)
        outcome = await under(fault, partial(self._take, form), self._error)
        used = fault.id if fault else 0
        world.log(
            Line.SMS, "send", to, dict(form), at=self._now(), status=outcome.status, response=outcome.body, fault=used
        )
        return outcome

    async def _take(self, form: Mapping[str, str]) -> Outcome:
        world = self._world()
        try:
            sms = world.carrier.accept(form, self.account.senders, self._now())
        except CarrierRefusal as refusal:
            return Outcome(refusal.status, refusal.body())
        receipts, steps = world.carrier.steps(world.phones[sms.to])
        body = resource(sms, self.account.account_sid)  # as it was taken: early receipts do not change the answer
        if receipts is Receipts.EARLY:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EARLY_LIMIT):
                    for step in steps:
                        await self._report_on(sms, [step], 1)
        elif steps:
            self._due.schedule(steps[0].after, partial(self._report_on, sms, steps, 1))
        return Outcome(201, body)

    def _error(self, fault: Fault) -> Outcome:
        code = fault.code or {401: 20003, 429: 20429}.get(fault.status, 20500)
        text = fault.description or TEXTS.get(code, "The request could not be handled")
        return Outcome(fault.status, CarrierRefusal(fault.status, code, text).body(), fault.retry_after)

    async def _report_on(self, sms: Sms, steps: list[Step], attempt: int) -> None:
        taken = await self._report(sms, steps[0])
        if not taken and attempt < ATTEMPTS:
            after = pause(self.account.retry_first, attempt)
            self._due.schedule(after, partial(self._report_on, sms, steps, attempt + 1))
        elif steps[1:]:
            self._due.schedule(steps[1].after, partial(self._report_on, sms, steps[1:], 1))

    async def _report(self, sms: Sms, step: Step) -> bool:
        world = self._world()
        world.carrier.report(sms, step)
        if not sms.callback:
            return True
        form = receipt_form(sms, step, self.account.account_sid)
        return await self._deliver(Line.RECEIPT, sms.callback, sms.to, form)

    async def answer(self, phone: Phone, text: str, *, to: str = "") -> Sms:
        """Send an SMS from a phone; it reaches the inbound URL now or, with that down, a little later."""
        sms, opt_out = self._world().carrier.answer(phone, text, self._now(), to=to)
        form = inbound_form(sms, self.account.account_sid, opt_out)
        self._due.schedule(0.0, partial(self._pass_on, sms, form, 1))
        return sms

    async def _pass_on(self, sms: Sms, form: dict[str, str], attempt: int) -> None:
        taken = await self._deliver(Line.INBOUND, self.account.inbound_url, sms.sender, form)
        sms.status = "received" if taken else "failed" if attempt == ATTEMPTS else "receiving"
        self._world().touch(f"sms:{sms.sender}")
        if not taken and attempt < ATTEMPTS:
            after = pause(self.account.retry_first, attempt)
            self._due.schedule(after, partial(self._pass_on, sms, form, attempt + 1))

    async def _deliver(self, line: Line, url: str, target: str, form: dict[str, str]) -> bool:
        signature = {"X-Twilio-Signature": sign(self.account.auth_token, url, form)}
        answer = await self._post(url, form=form, headers=signature)
        self._world().log(line, "post", target, form, at=self._now(), status=answer.status, response={"url": url})
        return answer.taken


def resource(sms: Sms, account_sid: str) -> Json:
    """The `Message` resource (Twilio API 2010-04-01): numbers as strings, dates in RFC 2822."""
    date = formatdate(sms.at, usegmt=False).replace("-0000", "+0000")
    uri = f"/2010-04-01/Accounts/{account_sid}/Messages/{sms.sid}"
    return {
        "sid": sms.sid,
        "account_sid": account_sid,
        "api_version": "2010-04-01",
        "body": sms.body,
        "date_created": date,
        "date_sent": None if sms.status == "queued" else date,
        "date_updated": date,
        "direction": "inbound" if sms.inbound else "outbound-api",
        "error_code": sms.error_code,
        "error_message": None,
        "from": sms.sender,
        "messaging_service_sid": sms.sender if sms.sender.startswith("MG") else None,
        "num_media": "0",
        "num_segments": str(sms.parts),
        "price": None,
        "price_unit": "USD",
        "status": sms.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": sms.to,
        "uri": f"{uri}.json",
    }


def receipt_form(sms: Sms, step: Step, account_sid: str) -> dict[str, str]:
    """The fields of a status callback."""
    form = {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "From": sms.sender,
        "MessageSid": sms.sid,
        "MessageStatus": step.status,
        "SmsSid": sms.sid,
        "SmsStatus": step.status,
        "To": sms.to,
    }
    return form | ({"ErrorCode": str(step.error_code)} if step.error_code else {})


def inbound_form(sms: Sms, account_sid: str, opt_out: str) -> dict[str, str]:
    """The fields of an inbound message."""
    form = {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "Body": sms.body,
        "From": sms.sender,
        "FromCountry": "IN",
        "MessageSid": sms.sid,
        "NumMedia": "0",
        "NumSegments": str(sms.parts),
        "SmsMessageSid": sms.sid,
        "SmsSid": sms.sid,
        "SmsStatus": "received",
        "To": sms.to,
    }
    return form | ({"OptOutType": opt_out} if opt_out else {})
