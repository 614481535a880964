"""Codes and handles, derived from a key and never stored, and the digests by which scripts compare them."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.events import Fingerprints

DIGITS = 6
CANDIDATES = 4
"""Codes offered to a script that needs a new one. With 100 open challenges on one phone, all four are taken once in
10^16 times."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code that a script may choose, as digests: of the challenge, and of the phone under every key and version."""

    n: int
    digest: str
    phone: dict[str, dict[str, str]]


class Codes:
    """Derives by key id. The newest key serves new challenges; an older one verifies those that it began."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys` by kid, 32 bytes each, the newest last."""
        self._keys = dict(keys)
        self.newest = next(reversed(self._keys))

    def code(self, kid: str, challenge: UUID, n: int) -> str:
        """The n-th code of a challenge: six uniform digits by RFC 4226 truncation. Raises KeyError: the key is gone."""
        mac = self._mac(kid, "code", challenge.bytes, n.to_bytes(4))
        offset = mac[-1] & 0x0F
        number = int.from_bytes(mac[offset : offset + 4]) & 0x7FFF_FFFF
        return str(number % 10**DIGITS).zfill(DIGITS)

    def handle(self, kid: str, challenge: UUID) -> str:
        """The token in the link: 128 bits, 22 characters of [A-Za-z0-9_-]."""
        return urlsafe_b64encode(self._mac(kid, "handle", challenge.bytes)[:16]).decode().rstrip("=")

    def candidates(self, kid: str, challenge: UUID, after: int, fingerprints: Fingerprints) -> list[Candidate]:
        """The codes after number `after`, as digests; none when the key has been retired."""
        if kid not in self._keys:
            return []
        hashed = hash_of(self.handle(kid, challenge))
        return [
            self._candidate(kid, challenge, after + step, hashed, fingerprints) for step in range(1, CANDIDATES + 1)
        ]

    def _candidate(self, kid: str, challenge: UUID, n: int, hashed: str, fingerprints: Fingerprints) -> Candidate:
        code = self.code(kid, challenge, n)
        return Candidate(n, self._digest(kid, hashed, code), self.phone_digests(fingerprints, code))

    def guess_digests(self, handle_hash: str, guess: str) -> dict[str, str]:
        """Digests of a guess at the challenge with this handle, one per key: whose key it is, only the script knows,
        and an unknown handle costs the same work."""
        return {kid: self._digest(kid, handle_hash, guess) for kid in self._keys}

    def phone_digests(self, fingerprints: Fingerprints, guess: str) -> dict[str, dict[str, str]]:
        """Digests of a guess from a phone: per key, per fingerprint version."""
        return {
            kid: {
                version: self._mac(kid, "phone", bytes.fromhex(fingerprint), guess.encode()).hex()
                for version, fingerprint in fingerprints.items()
            }
            for kid in self._keys
        }

    def _digest(self, kid: str, handle_hash: str, guess: str) -> str:
        return self._mac(kid, "digest", bytes.fromhex(handle_hash), guess.encode()).hex()

    def _mac(self, kid: str, purpose: str, *parts: bytes) -> bytes:
        # Parts before the last have a fixed length, so no two inputs run together to the same bytes.
        return hmac.digest(self._keys[kid], b"\x00".join((purpose.encode(), b"".join(parts))), hashlib.sha256)


def hash_of(handle: str) -> str:
    """What Valkey knows a handle by."""
    return hashlib.sha256(handle.encode()).hexdigest()


def counting_fingerprint(fingerprints: Fingerprints) -> str:
    """The fingerprint that counters stay under while keys rotate: the older version's (decision 6)."""
    return fingerprints[min(fingerprints, key=lambda version: (len(version), version))]


_DROPPED = str.maketrans("", "", " -\t\r\n.()\u00a0\u200b\u200c\u200d\u200e\u200f\u202f\u2060\ufeff")


def typed_code(text: str) -> str | None:
    """The six digits that a person meant: spaces, hyphens and invisible characters dropped, digits of any script read
    (४८२ is 482). None: not six digits."""
    digits = text.translate(_DROPPED)
    if len(digits) != DIGITS or not digits.isdecimal():
        return None
    return "".join(str(int(digit)) for digit in digits)
