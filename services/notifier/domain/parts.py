"""How many SMS a text is: GSM-7 or UCS-2, and the parts that the sender pays for (sms.md 5)."""

from dataclasses import dataclass

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38 basic set (3GPP TS 23.038)."""
EXTENSION = frozenset("\f^{}\\[~]|€")
"""Escaped: two septets each, and a part never ends between them."""


@dataclass(frozen=True, slots=True)
class Parts:
    """An estimate: the provider's own count is what is paid."""

    encoding: str
    count: int


def count(text: str) -> Parts:
    """Encoding (`gsm7` or `ucs2`) and number of parts: 160 or 70 units alone, 153 or 67 a part when split."""
    gsm = all(c in BASIC or c in EXTENSION for c in text)
    weights = [2 if c in EXTENSION else 1 for c in text] if gsm else [2 if ord(c) > 0xFFFF else 1 for c in text]
    alone, part = (160, 153) if gsm else (70, 67)
    encoding = "gsm7" if gsm else "ucs2"
    if sum(weights) <= alone:
        return Parts(encoding, 1)
    parts, used = 1, 0
    for weight in weights:
        if used + weight > part:
            parts, used = parts + 1, 0
        used += weight
    return Parts(encoding, parts)
