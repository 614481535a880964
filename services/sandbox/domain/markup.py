"""Message text with HTML markup, read as strictly as the Bot API reads it."""

import re
from dataclasses import dataclass
from html import unescape

from services.sandbox.domain.failures import bad_request

Entity = dict[str, str | int]

TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "code": "code", "pre": "pre",
    "a": "text_link", "tg-spoiler": "spoiler", "span": "spoiler", "blockquote": "blockquote",
}  # fmt: skip
TOKEN = re.compile(r"<(/?)([a-zA-Z0-9-]*)([^>]*)(>?)|&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")
HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
COMMAND = re.compile(r"(?:^|(?<=\s))/[a-zA-Z0-9_]{1,32}(?:@\w+)?")
LIMIT = 4096
"""Longest text in UTF-16 units after the markup is read (Bot API, sendMessage)."""


def width(text: str) -> int:
    """Length in UTF-16 units, the unit of every offset in the Bot API."""
    return len(text.encode("utf-16-le")) // 2


@dataclass(slots=True)
class Open:
    """A start tag that waits for its end."""

    tag: str
    offset: int
    url: str | None


def cannot(text: str) -> Exception:
    """The refusal for markup that does not parse."""
    return bad_request(f"can't parse entities: {text}")


class Reader:
    """One pass over marked-up text; raises BotApiRefusal at the first tag that is wrong."""

    def __init__(self, source: str) -> None:
        self.source, self.plain = source, ""
        self.open: list[Open] = []
        self.entities: list[Entity] = []

    def read(self) -> tuple[str, list[Entity]]:
        """The plain text and its entities."""
        last = 0
        for token in TOKEN.finditer(self.source):
            self.plain += self.source[last : token.start()]
            last = token.end()
            self._token(token)
        self.plain += self.source[last:]
        if self.open:
            raise cannot(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        return self.plain, sorted(self.entities, key=lambda e: (int(e["offset"]), -int(e["length"])))

    def _token(self, token: re.Match[str]) -> None:
        if token[0][0] == "&":
            self.plain += unescape(token[0])
            return
        at = len(self.source[: token.start()].encode())
        slash, tag, attributes, closed = token[1], token[2].lower(), token[3], token[4]
        if not closed:
            raise cannot(f"Unclosed {'end' if slash else 'start'} tag at byte offset {at}")
        if slash:
            self._end(tag, at)
        elif tag not in TAGS:
            raise cannot(f'Unsupported start tag "{tag}" at byte offset {at}')
        else:
            href = HREF.search(attributes)
            url = unescape(next(g for g in href.groups() if g is not None)) if href else None
            self.open.append(Open(tag, width(self.plain), url))

    def _end(self, tag: str, at: int) -> None:
        if not self.open:
            raise cannot(f"Unexpected end tag at byte offset {at}")
        start = self.open.pop()
        if tag and tag != start.tag:
            raise cannot(f'Unmatched end tag at byte offset {at}, expected "</{start.tag}>", found "</{tag}>"')
        length = width(self.plain) - start.offset
        if length and (TAGS[start.tag] != "text_link" or start.url):
            entity: Entity = {"type": TAGS[start.tag], "offset": start.offset, "length": length}
            self.entities.append(entity | ({"url": start.url} if TAGS[start.tag] == "text_link" and start.url else {}))


def trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Without blanks at both ends, as the server stores it; entities are moved and cut to fit."""
    lead = width(text) - width(text.lstrip())
    kept = text.strip()
    end, moved = width(kept), []
    for entity in entities:
        start = max(int(entity["offset"]) - lead, 0)
        stop = min(int(entity["offset"]) + int(entity["length"]) - lead, end)
        if stop > start:
            moved.append(entity | {"offset": start, "length": stop - start})
    return kept, moved


def read_text(source: str, parse_mode: str, *, limit: int = LIMIT) -> tuple[str, list[Entity]]:
    """The text as shown and its entities; raises BotApiRefusal (empty, too long, bad markup, unknown mode)."""
    if parse_mode.lower() not in {"", "html"}:
        raise bad_request("unsupported parse_mode")
    text, entities = trimmed(*(Reader(source).read() if parse_mode else (source, [])))
    if not text:
        raise bad_request("message text is empty")
    if width(text) > limit:
        raise bad_request("message is too long")
    return text, entities or commands(text)


def commands(text: str) -> list[Entity]:
    """The bot_command entities that the server finds by itself."""
    found = COMMAND.finditer(text)
    return [{"type": "bot_command", "offset": width(text[: m.start()]), "length": width(m[0])} for m in found]
