"""Refusals of the three edges: Telegram's, Twilio's, and those of the control side (shared.errors)."""

from typing import Any

from shared.errors import Conflict, Forbidden, Invalid, NotFound, Throttled


class BotApiRefusal(Exception):
    """The Bot API answers `{"ok": false}` with `code`, `description` and, where it has them, `parameters`."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        self.code, self.description, self.parameters = code, description, parameters
        super().__init__(f"{code} {description}")

    def body(self) -> dict[str, Any]:
        """The JSON body in the shape of the real server (tdlib/telegram-bot-api, Query.cpp)."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        return body | ({"parameters": self.parameters} if self.parameters else {})


def bad_request(text: str, **parameters: int) -> BotApiRefusal:
    """400; the real server puts the same two words before every one of them."""
    return BotApiRefusal(400, f"Bad Request: {text}", **parameters)


def forbidden(text: str) -> BotApiRefusal:
    """403: the bot may not speak there."""
    return BotApiRefusal(403, f"Forbidden: {text}")


def too_many(seconds: int) -> BotApiRefusal:
    """429 with the pause in seconds, in the text and as a parameter."""
    return BotApiRefusal(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


class CarrierRefusal(Exception):
    """The Messages API answers `{code, message, more_info, status}` (Twilio's error dictionary)."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{code} {message}")

    def body(self) -> dict[str, Any]:
        """The JSON body in Twilio's shape."""
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": more, "status": self.status}


class UnknownPhone(NotFound):
    """The sandbox has no such phone."""

    code = "unknown_phone"


class UnknownChat(NotFound):
    """The sandbox has no such chat, link or message."""

    code = "unknown_chat"


class NotAPhone(Invalid):
    """A phone is written in E.164: a plus sign and 8 to 15 digits."""

    code = "not_a_phone"


class NoTelegram(Conflict):
    """This phone has no Telegram account."""

    code = "no_telegram"


class NoSuchButton(NotFound):
    """No message of this chat shows such a button."""

    code = "no_such_button"


class PhoneTaken(Conflict):
    """The sandbox already has this phone."""

    code = "phone_taken"


class NothingToAnswer(Conflict):
    """Nobody has sent an SMS to this phone yet, so there is no sender to answer."""

    code = "nothing_to_answer"


class LinkClosed(Forbidden):
    """This invite link is revoked, expired or full."""

    code = "link_closed"


class TooManyPhones(Throttled):
    """The sandbox is full: it holds no more phones or channels."""

    code = "too_many_phones"


class UnknownFault(NotFound):
    """No such fault is in force."""

    code = "unknown_fault"


class UnknownUpdate(NotFound):
    """The sandbox has sent no such update."""

    code = "unknown_update"


class NameMissing(Invalid):
    """Enter a name."""

    code = "name_missing"


class NotAFault(Invalid):
    """This field of the fault is not valid: {name}."""

    code = "not_a_fault"


class NotUnderstood(Invalid):
    """This page or form is not known here."""

    code = "not_understood"
