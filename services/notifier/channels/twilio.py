"""Twilio: the Messages API out, status callbacks and inbound messages in, all in its own wire format."""

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson
from yarl import URL

from services.notifier.domain.delivery import ReceiptStatus
from services.notifier.domain.failures import Class, SendFailure
from services.notifier.domain.message import Accepted, Letter, Outgoing
from shared.clock import Clock
from shared.events import Channel, Reason

PROVIDER = "twilio"
SIGNATURE = "x-twilio-signature"
VALIDITY = (1, 36_000)
"""Seconds that ValidityPeriod accepts: how long the carrier may keep trying."""
CALL_SECONDS = 10.0
CONNECT_SECONDS = 3.0

# What the API answers (JSON `code`; sms.md 3). What is not listed: 5xx unknown, 429 throttled, 401/403 configuration,
# any other 4xx permanent.
REFUSALS: Mapping[int, tuple[Class, Reason]] = {
    21211: (Class.PERMANENT, Reason.UNKNOWN_NUMBER),
    21610: (Class.STOP, Reason.OPTED_OUT),
    21612: (Class.PERMANENT, Reason.UNREACHABLE),
    21614: (Class.PERMANENT, Reason.NOT_MOBILE),
    21605: (Class.PERMANENT, Reason.REJECTED),
    21617: (Class.PERMANENT, Reason.REJECTED),
    20429: (Class.THROTTLE, Reason.PROVIDER_DOWN),
    20003: (Class.CONFIG, Reason.CONFIGURATION),
    20404: (Class.CONFIG, Reason.CONFIGURATION),
    21606: (Class.CONFIG, Reason.CONFIGURATION),
    21408: (Class.CONFIG, Reason.CONFIGURATION),
    21608: (Class.CONFIG, Reason.CONFIGURATION),
    21657: (Class.CONFIG, Reason.CONFIGURATION),
    21901: (Class.CONFIG, Reason.CONFIGURATION),
    30002: (Class.CONFIG, Reason.CONFIGURATION),
}
# What a status callback says (`ErrorCode`). Twilio advises against hard logic on these: others are "unreachable".
UNDELIVERED: Mapping[int, Reason] = {
    30001: Reason.PROVIDER_DOWN,
    30003: Reason.UNREACHABLE,
    30004: Reason.BLOCKED,
    30005: Reason.UNKNOWN_NUMBER,
    30006: Reason.NOT_MOBILE,
    30007: Reason.REJECTED,
    30010: Reason.REJECTED,
    30034: Reason.CONFIGURATION,
    30042: Reason.CONFIGURATION,
    21610: Reason.OPTED_OUT,
}
STATUSES: Mapping[str, ReceiptStatus] = {
    "sent": ReceiptStatus.SENT,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.DELIVERED,
    "failed": ReceiptStatus.FAILED,
    "undelivered": ReceiptStatus.FAILED,
    "canceled": ReceiptStatus.FAILED,
}
"""accepted, scheduled, queued, sending say nothing that the 201 did not; parts that arrived are not the message."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where and as whom we send."""

    sid: str
    token: str
    sender: str
    base_url: str
    public_url: str
    """The notifier's own address as Twilio calls it: callbacks are signed over it, whatever a proxy says."""
    two_way: bool
    """Whether the sender receives answers; alphanumeric headers do not."""


@dataclass(frozen=True, slots=True)
class Status:
    """A status callback that says something."""

    status: ReceiptStatus
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Inbound:
    """An inbound message as Twilio sent it."""

    sid: str
    sender: str
    body: str
    opt_out: str


class Twilio:
    """SMS by Twilio."""

    name = Channel.SMS
    provider = PROVIDER
    receipts = True

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: Account,
        write: Callable[[Letter, bool], tuple[str, int]],
        clock: Clock,
    ) -> None:
        """`write` renders a letter (two-way or not) and counts its parts."""
        self._session = session
        self._account = account
        self._write = write
        self._clock = clock
        self._signed_as = _ports(account.public_url)
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(account.sid, account.token),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._url = URL(f"{account.base_url.rstrip('/')}/2010-04-01/Accounts/{account.sid}/Messages.json")

    @property
    def credential(self) -> str:
        """The account and its sender: limits belong to both."""
        return f"twilio:{self._account.sid}"

    @property
    def two_way(self) -> bool:
        """As configured for the sender."""
        return self._account.two_way

    def chat(self, outgoing: Outgoing) -> str | None:  # noqa: ARG002 # the channel's contract
        """Twilio limits the sender, not the recipient."""
        return None

    def render(self, letter: Letter) -> Outgoing:
        """The text with its parts. Raises SendFailure when there is no phone."""
        if not letter.address:
            raise SendFailure(Class.PERMANENT, Reason.NO_CHANNEL, provider=PROVIDER, provider_code="no_phone")
        body, parts = self._write(letter, self.two_way)
        message = letter.message
        return Outgoing(
            message_id=message.id,
            lane=message.lane,
            tries=message.tries + 1,
            address=letter.address,
            body=body,
            parts=parts,
            not_after=message.not_after,
        )

    async def send(self, outgoing: Outgoing) -> Accepted:
        """POST it once. Raises SendFailure: retry only where no byte of the request can have been read."""
        try:
            async with self._session.post(
                self._url,
                data=urlencode(self.form(outgoing)).encode(),  # half of what aiohttp takes for a form
                headers=self._headers,
                allow_redirects=False,
                timeout=_TIMEOUT,
            ) as response:
                body = await response.read()
                return self._answered(response.status, response.headers.get("Retry-After"), body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _failure(Class.RETRY, Reason.PROVIDER_DOWN, type(error).__name__) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _failure(Class.UNKNOWN, Reason.PROVIDER_DOWN, type(error).__name__) from error

    def form(self, outgoing: Outgoing) -> dict[str, str]:
        """The request. Our id and the try stand in the callback URL: the API has no field for them (decision 23)."""
        account = self._account
        callback = f"{account.public_url}/twilio/status/{outgoing.message_id}?try={outgoing.tries}"
        form = {"To": outgoing.address, "From": account.sender, "Body": outgoing.body, "StatusCallback": callback}
        if outgoing.not_after is not None:
            form["ValidityPeriod"] = str(_validity(outgoing.not_after, self._clock()))
        return form

    def _answered(self, status: int, retry_after: str | None, body: bytes) -> Accepted:
        answer = _json(body)
        if status in {200, 201} and isinstance(answer.get("sid"), str):
            parts = str(answer.get("num_segments") or "")
            return Accepted(answer["sid"], int(parts) if parts.isdigit() and parts != "0" else None)
        raise refusal(status, answer.get("code"), retry_after)

    def signed(self, path_and_query: str, params: Sequence[tuple[str, str]], signature: str) -> bool:
        """Whether Twilio signed exactly this callback; compared in constant time."""
        given = signature.encode()  # a header may hold anything, and only bytes of any kind can be compared
        token = self._account.token
        signed = (sign(token, base + path_and_query, params) for base in self._signed_as)
        return any(hmac.compare_digest(one.encode(), given) for one in signed)


_TIMEOUT = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=CONNECT_SECONDS, connect=CONNECT_SECONDS)


def refusal(status: int, code: object, retry_after: str | None) -> SendFailure:
    """The failure that an answer other than 201 means."""
    if isinstance(code, int) and code in REFUSALS:
        kind, reason = REFUSALS[code]
    elif status == 429:
        kind, reason = Class.THROTTLE, Reason.PROVIDER_DOWN
    elif status in {401, 403, 404}:
        kind, reason = Class.CONFIG, Reason.CONFIGURATION
    elif 400 <= status < 500:
        kind, reason = Class.PERMANENT, Reason.REJECTED
    else:
        kind, reason = Class.UNKNOWN, Reason.PROVIDER_DOWN
    wait = float(retry_after) if retry_after and retry_after.isdigit() else None
    return SendFailure(
        kind,
        reason,
        provider=PROVIDER,
        provider_code=code if isinstance(code, int) else status,
        retry_after=wait if kind is Class.THROTTLE else None,
        suppress=kind is Class.STOP,
    )


def sign(token: str, url: str, params: Sequence[tuple[str, str]]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and the sorted parameters, each sorted unique value, base64."""
    text = url + "".join(name + value for name, value in sorted(set(params)))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


def status_of(params: Mapping[str, str]) -> Status | None:
    """What a status callback says, or None when it says nothing new."""
    status = STATUSES.get(params.get("MessageStatus", ""))
    if status is None:
        return None
    if status is not ReceiptStatus.FAILED:
        return Status(status, None)
    code = params.get("ErrorCode", "")
    return Status(status, UNDELIVERED.get(int(code), Reason.UNREACHABLE) if code.isdigit() else Reason.UNREACHABLE)


def inbound_of(params: Mapping[str, str]) -> Inbound | None:
    """An inbound message, or None when the callback is not one."""
    sid, sender = params.get("MessageSid", ""), params.get("From", "")
    if not sid or not sender:
        return None
    return Inbound(sid[:64], sender[:32], params.get("Body", "")[:1600], params.get("OptOutType", ""))


def _ports(url: str) -> tuple[str, ...]:
    """The URL as it is, and with and without its port: Twilio signs either (its own validator tries both)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    with_port = parts._replace(netloc=f"{host}:{port}").geturl()
    without = parts._replace(netloc=host).geturl()
    return (url, with_port, without)


def _validity(not_after: datetime, now: datetime) -> int:
    return max(VALIDITY[0], min(VALIDITY[1], int((not_after - now).total_seconds())))


def _failure(kind: Class, reason: Reason, code: str) -> SendFailure:
    return SendFailure(kind, reason, provider=PROVIDER, provider_code=code)


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
