"""Structured logs: one JSON object a line on stderr; secrets and phones are taken out whatever the caller passes."""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from types import TracebackType
from uuid import UUID

import orjson
import structlog

from shared.errors import Failure
from shared.telemetry.context import current_trace, trace_ids

_SECRET_KEYS = re.compile(
    r"phone|mobile|msisdn|code$|otp|handle|token|secret|password|name|authorization|cookie|url$", re.IGNORECASE
)
_ALLOWED_KEYS = frozenset({"error_code", "status_code", "reason_code", "event_type", "logger_name", "task_name"})
_PHONE = re.compile(r"(?<!\d)(?:\+?91[\s-]?|0)?[5-9]\d{4}[\s-]?\d{5}(?!\d)")
_DIGITS6 = re.compile(r"(?<![\w.-])\d{6}(?!\w|[.-]\w)")
_PATHS = re.compile(r"(/c/|start=|/bot)[^\s/?&\"']+")


def redact(text: str) -> str:
    """`text` without phones, six-digit codes, handles in links and bot tokens in paths. The last line of defence: the
    first is not to log them."""
    return _DIGITS6.sub("•••", _PHONE.sub("•••", _PATHS.sub(r"\1•••", text)))


def _redact_event(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    for key, value in event.items():
        if key not in {"level", "timestamp"}:
            event[key] = _safe(key, value)
    return event


def _name_trace(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """After the redaction, which would take ten digits of an id for a phone."""
    trace = current_trace.get()
    if trace:
        event["trace_id"], event["span_id"] = trace_ids(trace)
    return event


def _safe(key: str, value: object) -> object:
    """`value` as it may be logged under `key`, at any depth; what is no plain value is logged as its redacted text."""
    if key != "event" and key not in _ALLOWED_KEYS and _SECRET_KEYS.search(key):
        return "•••"
    if value is None or isinstance(value, bool | int | float | UUID):
        return value
    if isinstance(value, Mapping):
        return {redact(str(name)): _safe(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe("", inner) for inner in value]
    if isinstance(value, BaseException):
        return type(value).__name__
    return redact(str(value))


def configure(service: str, level: str = "info") -> None:
    """Set up logging of this process, also for libraries and for what ends the process. Exceptions are logged as class
    and place, without values."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception_without_values,
            _redact_event,
            _name_trace,
            structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    sys.excepthook = _last_words
    root = logging.getLogger()
    root.handlers = [_ToStructlog()]
    root.setLevel(logging.WARNING)
    for noisy in ("aiogram", "aiohttp", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # 90 lines a second while the broker is away (measured); the bus says so once per attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _last_words(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    """In place of Python's traceback, which shows the exception's text: it may hold a phone."""
    for each in _leaves(error):
        said = each.message if isinstance(each, Failure) else None  # a Failure's text is safe by contract
        structlog.get_logger(__name__).critical("process ends", reason=said, exc_info=each)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _exception_without_values(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    exc_info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if exc_info is True else exc_info
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        trace, places = error.__traceback__, []
        while trace is not None:
            places.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["trace"] = " > ".join(places[-8:])
    return event


class _ToStructlog(logging.Handler):
    """Library log records, through the same redaction."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        error = record.exc_info[1] if record.exc_info else None
        logger.log(record.levelno, redact(record.getMessage()), logger_name=record.name, exc_info=error)
