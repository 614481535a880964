"""The carrier: checks and takes messages as Twilio's Messages API does, and keeps what arrived at each phone."""

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from services.sandbox.domain.chats import Account
from services.sandbox.domain.failures import CarrierRefusal, NothingToAnswer
from services.sandbox.domain.parts import parts
from services.sandbox.domain.receipts import PhoneState, Receipts, Step, plan

E164 = re.compile(r"\+[1-9]\d{7,14}")
BODY_LIMIT = 1600
"""Characters of one message (Twilio, error 21617)."""
INBOX_KEPT = 200
MESSAGES_KEPT = 50_000
STOP = {"stop", "stopall", "unsubscribe", "cancel", "end", "quit"}
START = {"start", "unstop", "yes"}
"""Words that Twilio itself handles as opt-out and opt-in (default keywords)."""


@dataclass(slots=True)
class Sms:
    """One message, out (to a phone) or in (`inbound`, from a phone)."""

    seq: int
    sid: str
    to: str
    sender: str
    body: str
    at: float
    parts: int
    inbound: bool = False
    callback: str = ""
    status: str = "queued"
    error_code: int | None = None
    reported: list[str] = field(default_factory=list)

    def query(self) -> dict[str, str]:
        """The parameters of the callback URL: that is where a caller puts its own id."""
        return dict(parse_qsl(urlsplit(self.callback).query))

    def caller_id(self, parameter: str = "") -> str | None:
        """The caller's own id: this parameter of the callback URL, or the end of its path; None without one."""
        return self.query().get(parameter) if parameter else urlsplit(self.callback).path.rpartition("/")[2] or None


@dataclass(slots=True)
class Phone:
    """A phone: its owner's name and language, its state, its SMS, and its Telegram account if it has one."""

    number: str
    name: str
    language: str = "hi"
    account: Account | None = None
    state: PhoneState = PhoneState.ON
    receipts: Receipts | None = None
    inbox: deque[Sms] = field(default_factory=lambda: deque(maxlen=INBOX_KEPT))
    seen_at: float = 0.0
    made: bool = True  # False: it arose because somebody sent to an unknown number


@dataclass(slots=True)
class Policy:
    """How receipts come where a phone has no rule of its own; `delay`, `late_by` in seconds."""

    receipts: Receipts = Receipts.NORMAL
    delay: float = 0.2
    late_by: float = 30.0


class Carrier:
    """Takes messages for `phones` (created on demand by `phone`)."""

    def __init__(
        self, phone: Callable[[str, float], Phone], touch: Callable[[str], None], number: Callable[[], int], nonce: str
    ) -> None:
        self.phone, self.touch, self.number, self.nonce = phone, touch, number, nonce
        self.policy = Policy()
        self.messages: OrderedDict[str, Sms] = OrderedDict()
        self.accepted = 0

    def sid(self, seq: int) -> str:
        """A message sid; the nonce of this start keeps it from coming back after a restart."""
        return f"SM{self.nonce}{seq:016x}"

    def accept(self, form: Mapping[str, str], senders: frozenset[str], now: float) -> Sms:
        """Check and take a message; raises CarrierRefusal with Twilio's code."""
        to, body = check(form, senders)
        phone = self.phone(to, now)
        if phone.state is PhoneState.LANDLINE:
            raise CarrierRefusal(400, 21614, f"'To' number is not a valid mobile number: {to}")
        if phone.state is PhoneState.OPTED_OUT:
            raise CarrierRefusal(400, 21610, "Attempt to send to unsubscribed recipient")
        seq = self.number()
        sender = form.get("From") or form.get("MessagingServiceSid", "")
        sms = Sms(seq, self.sid(seq), to, sender, body, now, parts(body).count, callback=form.get("StatusCallback", ""))
        self._keep(sms)
        self.accepted += 1
        if phone.state is not PhoneState.OFF and phone.state is not PhoneState.DEAD:
            self._show(phone, sms, now)
        return sms

    def answer(self, phone: Phone, text: str, now: float, *, to: str = "") -> tuple[Sms, str]:
        """A phone writes back to whoever wrote last (or `to`). Returns the message and Twilio's OptOutType."""
        received = [s.sender for s in phone.inbox if not s.inbound]
        if not to and not received:
            raise NothingToAnswer
        seq = self.number()
        sms = Sms(seq, self.sid(seq), to or received[-1], phone.number, text, now, parts(text).count, inbound=True)
        sms.status = "receiving"
        self._show(phone, sms, now)
        word = text.strip().lower()
        if word in STOP:
            phone.state = PhoneState.OPTED_OUT
            return sms, "STOP"
        if word in START and phone.state is PhoneState.OPTED_OUT:
            phone.state = PhoneState.ON
            return sms, "START"
        return sms, ""

    def steps(self, phone: Phone) -> tuple[Receipts, list[Step]]:
        """Which receipts a message to this phone gets, and whether they come early."""
        receipts = phone.receipts or self.policy.receipts
        return receipts, plan(phone.state, receipts, delay=self.policy.delay, late_by=self.policy.late_by)

    def report(self, sms: Sms, step: Step) -> None:
        """Note what a receipt says; a late `sent` does not undo a final state."""
        sms.reported.append(step.status)
        if sms.status not in {"delivered", "undelivered"}:
            sms.status, sms.error_code = step.status, step.error_code
        self.touch(f"sms:{sms.to}")

    def _show(self, phone: Phone, sms: Sms, now: float) -> None:
        phone.inbox.append(sms)
        phone.seen_at = now
        self.touch(f"sms:{phone.number}")

    def _keep(self, sms: Sms) -> None:
        self.messages[sms.sid] = sms
        while len(self.messages) > MESSAGES_KEPT:
            self.messages.popitem(last=False)


def check(form: Mapping[str, str], senders: frozenset[str]) -> tuple[str, str]:
    """Recipient and text of a send; raises CarrierRefusal for what Twilio refuses before it looks at the phone."""
    to, body, sender = form.get("To", ""), form.get("Body", ""), form.get("From", "")
    if not to:
        raise CarrierRefusal(400, 21604, "A 'To' phone number is required.")
    if not E164.fullmatch(to):
        raise CarrierRefusal(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if not sender and not form.get("MessagingServiceSid"):
        raise CarrierRefusal(400, 21603, "A 'From' phone number is required.")
    if sender and sender not in senders and not E164.fullmatch(sender):
        raise CarrierRefusal(400, 21606, f"The 'From' number {sender} is not a valid sender for your account.")
    if not body:
        raise CarrierRefusal(400, 21602, "Message body is required.")
    if len(body) > BODY_LIMIT:
        raise CarrierRefusal(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    callback = form.get("StatusCallback", "")
    if callback and urlsplit(callback).scheme not in {"http", "https"}:
        raise CarrierRefusal(400, 21609, f"The 'StatusCallback' URL {callback} is not a valid URL.")
    return to, body
