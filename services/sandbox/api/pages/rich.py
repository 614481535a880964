"""Messages as HTML: the only module that makes Markup from what somebody wrote."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)।]")
TAGS = {
    "bold": "b", "italic": "em", "underline": "u", "strikethrough": "s", "code": "code", "pre": "code",
    "blockquote": "q", "spoiler": "span",
}  # fmt: skip

Link = Callable[[str], str]
"""Turns a URL into the address that a click opens."""


def linked(text: str, link: Link) -> Markup:
    """`text` with its web addresses as links."""
    out, last = Markup(), 0
    for match in URL.finditer(text):
        out += escape(text[last : match.start()]) + anchor(match[0], match[0], link)
        last = match.end()
    return out + escape(text[last:])


def anchor(url: str, text: str, link: Link) -> Markup:
    """A link; only web addresses are linked."""
    target = link(url)
    if not target.startswith(("http://", "https://", "/")):
        return escape(text)
    return Markup('<a href="{}" rel="noopener">{}</a>').format(target, text)


def rich(text: str, entities: list[dict[str, Any]], link: Link) -> Markup:
    """`text` with its entities (offsets in UTF-16 units, properly nested) as HTML."""
    raw = text.encode("utf-16-le")

    def render(start: int, stop: int, inside: list[dict[str, Any]]) -> Markup:
        out, at = Markup(), start
        for index, entity in enumerate(inside):
            begin, end = int(entity["offset"]), int(entity["offset"]) + int(entity["length"])
            if begin < at or end > stop:
                continue
            children = [e for e in inside[index + 1 :] if int(e["offset"]) < end]
            out += plain(at, begin) + wrap(
                entity, render(begin, end, children), raw[begin * 2 : end * 2].decode("utf-16-le")
            )
            at = end
        return out + plain(at, stop)

    def plain(start: int, stop: int) -> Markup:
        return linked(raw[start * 2 : stop * 2].decode("utf-16-le", "replace"), link)

    def wrap(entity: dict[str, Any], content: Markup, bare: str) -> Markup:
        if entity["type"] == "text_link":
            return anchor(str(entity.get("url", "")), bare, link)
        tag = TAGS.get(str(entity["type"]))
        return Markup("<{0}>{1}</{0}>").format(tag, content) if tag else content

    return render(0, len(raw) // 2, entities)


def initial(name: str) -> str:
    """The first letter of a name as it is written: a Devanagari cluster is not taken apart."""
    cluster = ""
    for char in name.strip():
        joined = cluster.endswith("\u094d") or unicodedata.category(char).startswith("M") or char in "\u200c\u200d"
        if cluster and not joined:
            break
        cluster += char
    return cluster or "?"


def grouped(number: str) -> str:
    """A phone number as people read it: +91 55500 00210."""
    if number.startswith("+91") and len(number) == 13:
        return f"+91 {number[3:8]} {number[8:]}"
    return number
