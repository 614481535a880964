"""What the Bot API's refusals mean: the one place that reads their texts (tdlib/telegram-bot-api, Client.cpp)."""

from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiohttp import ClientConnectorError, ConnectionTimeoutError

from services.notifier.domain.failures import Class, SendFailure
from shared.events import Reason

PROVIDER = "telegram"

MEANINGS: tuple[tuple[str, Class, Reason], ...] = (
    ("bot was blocked by the user", Class.STOP, Reason.BLOCKED),
    ("user is deactivated", Class.PERMANENT, Reason.UNREACHABLE),
    ("bot can't initiate conversation", Class.PERMANENT, Reason.UNREACHABLE),
    ("bot can't send messages to bots", Class.PERMANENT, Reason.UNREACHABLE),
    ("bot was kicked", Class.PERMANENT, Reason.CHANNEL_LOST),
    ("bot is not a member", Class.PERMANENT, Reason.CHANNEL_LOST),
    ("need administrator rights", Class.PERMANENT, Reason.CHANNEL_LOST),
    ("not enough rights", Class.PERMANENT, Reason.CHANNEL_LOST),
    ("have no rights to send", Class.PERMANENT, Reason.CHANNEL_LOST),
    ("chat_write_forbidden", Class.PERMANENT, Reason.CHANNEL_LOST),
    ("group chat was upgraded", Class.PERMANENT, Reason.CHANNEL_LOST),
    ("chat not found", Class.PERMANENT, Reason.UNREACHABLE),
    ("peer_id_invalid", Class.PERMANENT, Reason.UNREACHABLE),
)
"""Part of the description, in small letters -> what follows. The first that fits counts."""

UNCHANGED = "message is not modified"
TOO_LATE = "query is too old"
NOT_EDITABLE = (
    "message to edit not found",
    "message can't be edited",
    "message to delete not found",
    "message can't be deleted",
    "there is no text in the message to edit",
)


def meaning(error: Exception, *, room: bool = False) -> SendFailure:  # noqa: PLR0911 # a table reads better whole
    """`error` of a call, as data. `room`: the chat is a channel or group, where "not found" means that it is lost."""
    match error:
        case TelegramRetryAfter():
            return _failure(Class.THROTTLE, Reason.PROVIDER_DOWN, 429, retry_after=float(error.retry_after))
        case TelegramMigrateToChat():
            return _failure(Class.PERMANENT, Reason.CHANNEL_LOST, 400, migrate_to=error.migrate_to_chat_id)
        case TelegramForbiddenError() | TelegramBadRequest():
            return _by_text(error, 403 if isinstance(error, TelegramForbiddenError) else 400, room=room)
        case TelegramUnauthorizedError() | TelegramNotFound() | TelegramConflictError():
            return _failure(Class.CONFIG, Reason.CONFIGURATION, _status(error))
        case TelegramServerError():
            late = "timeout" in error.message.lower()  # a gateway that gave up waiting: it may have been carried out
            return _failure(Class.UNKNOWN if late else Class.RETRY, Reason.PROVIDER_DOWN, "5xx")
        case TelegramEntityTooLarge():
            return _failure(Class.PERMANENT, Reason.REJECTED, 413)
        case TelegramNetworkError():
            unsent = isinstance(error.__cause__, ClientConnectorError | ConnectionTimeoutError)
            return _failure(Class.RETRY if unsent else Class.UNKNOWN, Reason.PROVIDER_DOWN, "network")
        case ClientDecodeError():
            return _failure(Class.UNKNOWN, Reason.PROVIDER_DOWN, "undecodable")
        case TelegramAPIError() if "too many requests" in error.message.lower():
            return _failure(Class.THROTTLE, Reason.PROVIDER_DOWN, 429, retry_after=1.0)
        case _:
            return _failure(Class.UNKNOWN, Reason.PROVIDER_DOWN, type(error).__name__)


def is_unchanged(error: Exception) -> bool:
    """Whether an edit found the message as it should be."""
    return isinstance(error, TelegramBadRequest) and UNCHANGED in error.message.lower()


def is_too_late(error: Exception) -> bool:
    """Whether a tap can no longer be answered: what it did is still done."""
    return isinstance(error, TelegramBadRequest) and TOO_LATE in error.message.lower()


def is_not_editable(error: Exception) -> bool:
    """Whether a message cannot be changed any more: say it in a new one."""
    return isinstance(error, TelegramBadRequest) and any(text in error.message.lower() for text in NOT_EDITABLE)


def _by_text(error: TelegramAPIError, status: int, *, room: bool) -> SendFailure:
    text = error.message.lower()
    otherwise = Reason.UNREACHABLE if status == 403 else Reason.REJECTED
    found = ((kind, reason) for part, kind, reason in MEANINGS if part in text)
    kind, reason = next(found, (Class.PERMANENT, otherwise))
    if room and reason is Reason.UNREACHABLE:
        reason = Reason.CHANNEL_LOST
    return _failure(kind, reason, status)


def _status(error: TelegramAPIError) -> int:
    match error:
        case TelegramUnauthorizedError():
            return 401
        case TelegramNotFound():
            return 404
        case _:
            return 409


def _failure(
    kind: Class,
    reason: Reason,
    provider_code: str | int,
    *,
    retry_after: float | None = None,
    migrate_to: int | None = None,
) -> SendFailure:
    return SendFailure(
        kind, reason, provider=PROVIDER, provider_code=provider_code, retry_after=retry_after, migrate_to=migrate_to
    )
