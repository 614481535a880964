"""How many SMS parts a text needs."""

from dataclasses import dataclass

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True, slots=True)
class Parts:
    """`units` are septets (GSM-7) or UTF-16 units (UCS-2); `count` is what the carrier bills."""

    gsm: bool
    units: int
    count: int


def parts(text: str) -> Parts:
    """Count the parts of `text`: 160/153 septets or 70/67 UTF-16 units; no character is split (3GPP TS 23.038)."""
    gsm = all(c in GSM_BASIC or c in GSM_EXTENSION for c in text)
    widths = [2 if c in GSM_EXTENSION else 1 for c in text] if gsm else [2 if ord(c) > 0xFFFF else 1 for c in text]
    single, each = (160, 153) if gsm else (70, 67)
    if sum(widths) <= single:
        return Parts(gsm, sum(widths), 1)
    count, used = 1, 0
    for width in widths:
        if used + width > each:
            count, used = count + 1, 0
        used += width
    return Parts(gsm, sum(widths), count)
