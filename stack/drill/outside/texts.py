"""What is in a message and on a page, and who answers how; pure functions."""

import re
from enum import StrEnum
from hashlib import blake2b

CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
LINK = re.compile(r"https?://\S+/c/[\w-]+")
_HIDDEN = re.compile(r"<input[^>]*type=\"?hidden\"?[^>]*>")
_NAME, _VALUE = re.compile(r"name=\"([^\"]*)\""), re.compile(r"value=\"([^\"]*)\"")


class Way(StrEnum):
    """How somebody answers."""

    PAGE = "page"
    REPLY = "reply"


def way_of(number: str, answers: float, seed: int) -> Way | None:
    """What the person with this phone does: the same at every run with this seed. None: nothing."""
    drawn = int.from_bytes(blake2b(f"{seed}:{number}".encode(), digest_size=8).digest(), "big") / 2**64
    if drawn >= answers:
        return None
    return Way.PAGE if drawn < answers / 2 else Way.REPLY


def hidden(page: str) -> dict[str, str]:
    """Hidden fields of all forms of a page."""
    found = {}
    for tag in _HIDDEN.findall(page):
        name, value = _NAME.search(tag), _VALUE.search(tag)
        if name:
            found[name[1]] = value[1] if value else ""
    return found
