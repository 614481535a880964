"""Keyboards under messages, checked as the Bot API checks them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from services.sandbox.domain.failures import bad_request

Rows = list[list[dict[str, Any]]]
BUTTON_KINDS = ("url", "callback_data", "switch_inline_query", "switch_inline_query_current_chat", "copy_text", "pay")


@dataclass(frozen=True, slots=True)
class Keyboard:
    """What `reply_markup` asks for: buttons under the message, a reply keyboard, its removal, or nothing."""

    inline: Rows = field(default_factory=list)
    reply: Rows | None = None
    remove: bool = False


def read(markup: Any, *, private: bool) -> Keyboard:
    """A checked keyboard; raises BotApiRefusal for what the server refuses."""
    if markup is None:
        return Keyboard()
    if not isinstance(markup, Mapping):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in markup:
        return Keyboard(inline=[[inline_button(b) for b in row] for row in rows(markup["inline_keyboard"]) if row])
    if "keyboard" in markup:
        return Keyboard(reply=[[reply_button(b, private=private) for b in row] for row in rows(markup["keyboard"])])
    return Keyboard(remove=bool(markup.get("remove_keyboard")))


def rows(value: Any) -> list[list[Any]]:
    """Rows of buttons, or the refusal for anything else."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise bad_request("can't parse reply keyboard markup JSON object: Object expected as reply markup")
    return value


def inline_button(button: Any) -> dict[str, Any]:
    """One inline button: a text and exactly one action, callback data of 1 to 64 bytes."""
    if not isinstance(button, Mapping) or not isinstance(button.get("text"), str):
        raise bad_request("can't parse inline keyboard button: Can't find field \"text\"")
    if not button["text"].strip():
        raise bad_request("BUTTON_TEXT_EMPTY")
    known = {k: v for k, v in button.items() if k in BUTTON_KINDS and v is not None}
    if not known:
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    data = known.get("callback_data")
    if data is not None and not 1 <= len(str(data).encode()) <= 64:
        raise bad_request("BUTTON_DATA_INVALID")
    if "url" in known and urlsplit(str(known["url"])).scheme not in {"http", "https", "tg"}:
        raise bad_request(f"inline keyboard button URL '{known['url']}' is invalid: Unsupported URL protocol")
    return {"text": button["text"], **known}


def reply_button(button: Any, *, private: bool) -> dict[str, Any]:
    """One button of a reply keyboard; a phone can be asked for in private chats only."""
    if isinstance(button, str):
        return {"text": button}
    if not isinstance(button, Mapping) or not isinstance(button.get("text"), str) or not button["text"].strip():
        raise bad_request("can't parse keyboard button: Can't find field \"text\"")
    if button.get("request_contact") and not private:
        raise bad_request("phone number can be requested in private chats only")
    return {"text": button["text"], "request_contact": bool(button.get("request_contact"))}
