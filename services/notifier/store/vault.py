"""Encryption at rest under the service's own keys: phones of linked accounts, updates, inbound texts."""

from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from shared.errors import Failure


class CannotUnlock(Failure):
    """A stored value does not open: its key is gone, or it was moved here from another row."""

    code = "vault"
    alarm = True


class Vault:
    """NaCl secret boxes; each is bound to what it is about, so that rows cannot be swapped."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """`keys` maps key ids to base64 of 32 bytes, the newest last. Raises ValueError."""
        if not keys or any("." in kid for kid in keys):
            raise ValueError("store keys: at least one; a key id holds no dot")
        self._boxes = {kid: SecretBox(b64decode(key, validate=True)) for kid, key in keys.items()}
        self._newest = next(reversed(self._boxes))

    def lock(self, value: bytes, about: str) -> str:
        """`v1.<kid>.<base64url>`."""
        box = self._boxes[self._newest].encrypt(about.encode() + b"\0" + value)
        return f"v1.{self._newest}.{urlsafe_b64encode(box).decode()}"

    def unlock(self, box: str, about: str) -> bytes:
        """What was locked about `about`. Raises CannotUnlock."""
        try:
            _, kid, text = box.split(".")
            subject, _, value = self._boxes[kid].decrypt(urlsafe_b64decode(text)).partition(b"\0")
        except (ValueError, KeyError, CryptoError) as error:
            raise CannotUnlock from error
        if subject != about.encode():
            raise CannotUnlock
        return value
