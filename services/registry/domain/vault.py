"""Personal data at rest: encrypted under a key that its row names, so that keys can be rotated."""

from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple

from nacl.secret import SecretBox


class Box(NamedTuple):
    """An encrypted value and the id of its key."""

    kid: str
    data: bytes


class Vault:
    """NaCl SecretBox (XSalsa20-Poly1305) under versioned keys."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """`keys` maps key ids to base64 of 32 bytes, the newest last: that one encrypts. Raises ValueError."""
        self._boxes = {kid: SecretBox(b64decode(key, validate=True)) for kid, key in keys.items()}
        if not self._boxes:
            raise ValueError("phone keys: at least one")
        self._newest = next(reversed(self._boxes))

    def lock(self, text: str) -> Box:
        """`text`, encrypted."""
        return Box(self._newest, bytes(self._boxes[self._newest].encrypt(text.encode())))

    def unlock(self, box: Box) -> str:
        """What was encrypted. Raises KeyError for a retired key, nacl's CryptoError for damaged data."""
        return self._boxes[box.kid].decrypt(box.data).decode()
