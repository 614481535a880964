"""The call log: every call of both APIs and every delivery to the callers, the newest few thousand."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CALLS_KEPT = 3_000


class Line(StrEnum):
    """Which line a call went over."""

    TELEGRAM = "telegram"
    SMS = "sms"
    WEBHOOK = "webhook"
    RECEIPT = "receipt"
    INBOUND = "inbound"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `status` 0 means that the caller, or the callee, got no answer."""

    seq: int
    at: float
    line: Line
    method: str
    target: str
    params: dict[str, str]
    status: int
    response: Any
    fault: int = 0


class Journal:
    """Keeps the newest calls and counts all of them."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.total = 0

    def add(self, call: Call) -> None:
        """Append one call; the oldest is forgotten when the log is full."""
        self.calls.append(call)
        self.total += 1

    def find(
        self, *, line: str = "", method: str = "", target: str = "", after: int = 0, limit: int = 100
    ) -> list[Call]:
        """The newest `limit` calls behind sequence number `after` that fit, newest first."""
        found = (
            c
            for c in reversed(self.calls)
            if c.seq > after
            and line in {"", c.line}
            and method.lower() in {"", c.method.lower()}
            and target in {"", c.target}
        )
        return [c for c, _ in zip(found, range(limit), strict=False)]
