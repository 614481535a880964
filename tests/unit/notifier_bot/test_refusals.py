"""Every refusal of the Bot API that we know, and what follows."""

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramBadRequest,
    TelegramNetworkError,
)
from aiogram.methods import SendMessage
from aiohttp import ClientConnectorError, ClientOSError, ConnectionTimeoutError, ServerDisconnectedError
from aiohttp.client_reqrep import ConnectionKey

from services.notifier.channels.telegram.refusals import is_not_editable, is_too_late, is_unchanged, meaning
from services.notifier.domain.failures import Class
from shared.events import Reason

CALL = SendMessage(chat_id=7, text="x")
BOT = Bot("7000000001:AAH-made-up")


def refusal(status: int, description: str, **parameters: int) -> AiogramError:
    """What aiogram makes of an answer."""
    body = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    with pytest.raises(AiogramError) as raised:
        BOT.session.check_response(BOT, CALL, status, BOT.session.json_dumps(body))
    return raised.value


TABLE = [
    (403, "Forbidden: bot was blocked by the user", Class.STOP, Reason.BLOCKED),
    (403, "Forbidden: user is deactivated", Class.PERMANENT, Reason.UNREACHABLE),
    (403, "Forbidden: bot can't initiate conversation with a user", Class.PERMANENT, Reason.UNREACHABLE),
    (403, "Forbidden: something new", Class.PERMANENT, Reason.UNREACHABLE),
    (403, "Forbidden: bot was kicked from the channel chat", Class.PERMANENT, Reason.CHANNEL_LOST),
    (403, "Forbidden: bot is not a member of the supergroup chat", Class.PERMANENT, Reason.CHANNEL_LOST),
    (400, "Bad Request: need administrator rights in the channel chat", Class.PERMANENT, Reason.CHANNEL_LOST),
    (400, "Bad Request: not enough rights to send text messages", Class.PERMANENT, Reason.CHANNEL_LOST),
    (400, "Bad Request: chat not found", Class.PERMANENT, Reason.UNREACHABLE),
    (400, "Bad Request: message text is empty", Class.PERMANENT, Reason.REJECTED),
    (400, "Bad Request: can't parse entities: unclosed start tag", Class.PERMANENT, Reason.REJECTED),
    (401, "Unauthorized", Class.CONFIG, Reason.CONFIGURATION),
    (404, "Not Found", Class.CONFIG, Reason.CONFIGURATION),
    (409, "Conflict: terminated by other getUpdates request", Class.CONFIG, Reason.CONFIGURATION),
    (413, "Request Entity Too Large", Class.PERMANENT, Reason.REJECTED),
    (500, "Internal Server Error", Class.RETRY, Reason.PROVIDER_DOWN),
    (502, "Bad Gateway", Class.RETRY, Reason.PROVIDER_DOWN),
    (503, "Service Unavailable", Class.RETRY, Reason.PROVIDER_DOWN),
    (504, "Gateway Timeout", Class.UNKNOWN, Reason.PROVIDER_DOWN),
    (429, "Too Many Requests", Class.THROTTLE, Reason.PROVIDER_DOWN),
]


@pytest.mark.parametrize(("status", "description", "kind", "reason"), TABLE, ids=[row[1] for row in TABLE])
def test_a_refusal_means(status: int, description: str, kind: Class, reason: Reason) -> None:
    failure = meaning(refusal(status, description))
    assert (failure.kind, failure.reason) == (kind, reason)


def test_a_channel_that_is_not_found_is_lost() -> None:
    assert meaning(refusal(400, "Bad Request: chat not found"), room=True).reason is Reason.CHANNEL_LOST


def test_429_says_how_long() -> None:
    failure = meaning(refusal(429, "Too Many Requests: retry after 17", retry_after=17))
    assert (failure.kind, failure.retry_after) == (Class.THROTTLE, 17.0)


def test_a_group_that_moved_says_where_to() -> None:
    text = "Bad Request: group chat was upgraded to a supergroup chat"
    assert meaning(refusal(400, text, migrate_to_chat_id=-1001)).migrate_to == -1001


def network(cause: Exception) -> TelegramNetworkError:
    """A call that broke, as aiogram raises it."""
    error = TelegramNetworkError(CALL, "broken")
    error.__cause__ = cause
    return error


NOBODY = ClientConnectorError(ConnectionKey("h", 1, False, True, None, None, None), OSError())


@pytest.mark.parametrize("cause", [NOBODY, ConnectionTimeoutError()])
def test_a_call_that_never_left_may_be_made_again(cause: Exception) -> None:
    assert meaning(network(cause)).kind is Class.RETRY


@pytest.mark.parametrize("cause", [TimeoutError(), ServerDisconnectedError(), ClientOSError()])
def test_a_call_that_may_have_arrived_is_unknown(cause: Exception) -> None:
    assert meaning(network(cause)).kind is Class.UNKNOWN


def test_an_answer_that_cannot_be_read_is_unknown() -> None:
    assert meaning(ClientDecodeError("Failed to decode object", ValueError(), "<html>")).kind is Class.UNKNOWN


def test_a_failure_carries_no_text_of_the_provider() -> None:
    failure = meaning(refusal(400, "Bad Request: wrong phone +919812345678"))
    assert "98123" not in f"{failure} {failure.details}"


def test_edits_and_taps_have_refusals_that_are_no_failure() -> None:
    unchanged = refusal(400, "Bad Request: message is not modified: specified new message content and ...")
    late = refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
    gone = refusal(400, "Bad Request: message to edit not found")
    assert is_unchanged(unchanged)
    assert is_too_late(late)
    assert is_not_editable(gone)
    other = TelegramBadRequest(CALL, "Bad Request: chat not found")
    assert [is_unchanged(other), is_too_late(other), is_not_editable(other)] == [False] * 3
