"""Asks a broker for its cluster's id and for the brokers that it knows: Metadata version 2 about no topic."""

import socket
import struct
from dataclasses import dataclass

from stack.ports import LOOPBACK

_ASKED = struct.pack(">hhih", 3, 2, 1, 1) + b"b" + struct.pack(">i", 0)
_QUESTION = struct.pack(">i", len(_ASKED)) + _ASKED


@dataclass(frozen=True)
class Seen:
    """What a broker knows."""

    cluster_id: str
    brokers: frozenset[int]


def seen(port: int, *, seconds: float = 0.5) -> Seen | None:
    """What the broker on `port` answers; None while it does not."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=seconds) as connection:
            connection.sendall(_QUESTION)
            with connection.makefile("rb") as answer:
                (size,) = struct.unpack(">i", answer.read(4))
                return _decoded(_Bytes(answer.read(size)))
    except (OSError, struct.error, UnicodeDecodeError):
        return None


def _decoded(answer: "_Bytes") -> Seen:
    answer.number(">i")  # the number of our request
    brokers = set()
    for _ in range(answer.number(">i")):
        brokers.add(answer.number(">i"))
        answer.text()
        answer.number(">i")
        answer.text()
    return Seen(answer.text(), frozenset(brokers))


class _Bytes:
    """Reads one value after the other; raises struct.error behind the end."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from(kind, self._content, self._at)
        self._at += struct.calcsize(kind)
        return int(value)

    def text(self) -> str:
        length = max(self.number(">h"), 0)  # -1: null
        start, self._at = self._at, self._at + length
        return self._content[start : self._at].decode()
