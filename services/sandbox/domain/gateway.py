"""Telegram Gateway: codes by phone number for people who have Telegram, whether they know a bot or not."""

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from services.sandbox.domain.chats import Account, Json
from services.sandbox.domain.params import Params

REQUESTS_KEPT = 5_000
PRICE = 0.01
"""Dollars for a delivered code (Telegram Gateway API)."""
GUESSES = 5
CODE = re.compile(r"\d{4,8}")


class GatewayRefusal(Exception):
    """The Gateway answers `{"ok": false, "error": <text>}`."""


@dataclass(slots=True)
class Request:
    """One verification."""

    id: str
    phone: str
    at: float
    code: str = ""
    payload: str = ""
    callback: str = ""
    ttl: int = 0
    delivery: str = ""
    delivered_at: float = 0.0
    verification: str = ""
    verified_at: float = 0.0
    entered: str = ""
    wrong: int = 0

    def api(self) -> Json:
        """The `RequestStatus` object."""
        body: Json = {"request_id": self.id, "phone_number": self.phone, "request_cost": PRICE}
        if self.delivery:
            body["delivery_status"] = {"status": self.delivery, "updated_at": int(self.delivered_at)}
        if self.verification:
            verified = {"status": self.verification, "updated_at": int(self.verified_at), "code_entered": self.entered}
            body["verification_status"] = verified
        return body | ({"payload": self.payload} if self.payload else {})


class Gateway:
    """Checks and keeps verifications. `account` finds the Telegram account of a phone, None without one."""

    def __init__(self, account: Callable[[str], Account | None], number: Callable[[], int]) -> None:
        self._account, self._number = account, number
        self.requests: OrderedDict[str, Request] = OrderedDict()

    def call(self, method: str, params: Params, now: float) -> tuple[Request, bool]:
        """One call: the verification and whether a code was sent; raises GatewayRefusal."""
        if method == "checkSendAbility":
            return self._open(params, now), False
        if method == "sendVerificationMessage":
            return self._send(params, now), True
        found = self.requests.get(params.text("request_id"))
        if found is None:
            raise GatewayRefusal("REQUEST_ID_INVALID")
        if method == "checkVerificationStatus":
            self._check(found, params.text("code"), now)
        elif method == "revokeVerificationMessage":
            found.delivery, found.delivered_at = "revoked", now
        else:
            raise GatewayRefusal("UNKNOWN_METHOD")
        return found, False

    def _open(self, params: Params, now: float) -> Request:
        phone = "+" + params.text("phone_number").lstrip("+")
        if not re.fullmatch(r"\+[1-9]\d{7,14}", phone):
            raise GatewayRefusal("PHONE_NUMBER_INVALID")
        if self._account(phone) is None:
            raise GatewayRefusal("PHONE_NUMBER_NOT_AVAILABLE")
        made = Request(f"gw{self._number():014d}", phone, now)
        self.requests[made.id] = made
        while len(self.requests) > REQUESTS_KEPT:
            self.requests.popitem(last=False)
        return made

    def _send(self, params: Params, now: float) -> Request:
        code, length = params.text("code"), params.integer("code_length")
        if code and not CODE.fullmatch(code):
            raise GatewayRefusal("CODE_INVALID")
        if not code and not 4 <= length <= 8:
            raise GatewayRefusal("CODE_LENGTH_INVALID")
        ttl = params.integer("ttl")
        if "ttl" in params and not 30 <= ttl <= 3600:
            raise GatewayRefusal("TTL_INVALID")
        if len(params.text("payload").encode()) > 128:
            raise GatewayRefusal("PAYLOAD_INVALID")
        known = params.text("request_id")
        made = self.requests[known] if known in self.requests else self._open(params, now)
        made.code = code or "".join(secrets.choice("0123456789") for _ in range(length))
        made.payload, made.callback, made.ttl = params.text("payload"), params.text("callback_url"), ttl
        made.delivery, made.delivered_at = "delivered", now
        return made

    def _check(self, request: Request, code: str, now: float) -> None:
        if not code:
            return
        request.entered, request.verified_at = code, now
        if request.wrong >= GUESSES:
            request.verification = "code_max_attempts_exceeded"
        elif request.ttl and now > request.at + request.ttl:
            request.verification = "expired"
        elif hmac.compare_digest(code.encode(), request.code.encode()):
            request.verification = "code_valid"
        else:
            request.wrong += 1
            request.verification = "code_invalid"


def sign(token: str, timestamp: str, body: bytes) -> str:
    """X-Request-Signature of a report: HMAC-SHA256 under SHA-256 of the token, hex."""
    key = hashlib.sha256(token.encode()).digest()
    return hmac.new(key, timestamp.encode() + b"\n" + body, hashlib.sha256).hexdigest()
