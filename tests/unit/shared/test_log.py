"""Nothing personal or secret comes out of the log, whatever goes in."""

import json
import logging
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest
import structlog

from shared import log
from shared.bus import TopicUnfit
from shared.telemetry import current_trace


@pytest.fixture(autouse=True)
def _logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    configure = structlog.configure
    # A logger that another thread uses meanwhile would be cached as it is here, for all tests that follow.
    monkeypatch.setattr(structlog, "configure", lambda **how: configure(**how | {"cache_logger_on_first_use": False}))
    handlers, level, hook = logging.getLogger().handlers, logging.getLogger().level, sys.excepthook
    yield
    sys.excepthook = hook
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.getLogger().handlers, logging.getLogger().level = handlers, level


@pytest.mark.parametrize(
    "text",
    [
        "to +915550000210 now",
        "to 9876543210",
        "to 98765 43210",
        "code 482107 sent",
        "the code is 482107.",
        "482107-",
        "GET /c/AbC-123_x",
        "https://t.me/bot?start=AbC123",
        "POST /bot12345:AAH-token/sendMessage",
    ],
)
def test_redaction_takes_out_phones_codes_handles_and_tokens(text: str) -> None:
    redacted = log.redact(text)
    assert not any(secret in redacted for secret in ("555", "98765", "482107", "AbC", "AAH"))
    assert "•••" in redacted


def test_what_lies_deeper_or_is_no_text_is_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    class Worker:
        def __repr__(self) -> str:
            return "Worker(+915550000210)"

    log.configure("otp")
    structlog.get_logger().info(
        "sent",
        body={"to": "+915550000210", "name": "Anita", "list": ["9876543210", {"handle": "AbC123"}]},
        raw=b"+915550000210",
        worker=Worker(),
        count=3,
        challenge=UUID(int=0x5550000210),
    )
    entry = json.loads(line := capsys.readouterr().err.strip())
    assert (entry["count"], entry["challenge"]) == (3, str(UUID(int=0x5550000210)))
    assert not any(secret in line.replace(entry["challenge"], "") for secret in ("0000210", "98765", "Anita", "AbC"))


def test_what_ends_the_process_is_told_by_class_and_place_and_a_failure_by_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("otp")
    error = BaseExceptionGroup("two", [ValueError("phone +915550000210"), TopicUnfit(topic="t", problem="missing")])
    sys.excepthook(type(error), error, None)
    said = [json.loads(line) for line in capsys.readouterr().err.strip().splitlines()]
    assert [each["error"] for each in said] == ["ValueError", "TopicUnfit"]
    assert said[1]["reason"] == "Topic t does not fit the contract: missing."
    assert "0000210" not in str(said)


@pytest.mark.parametrize("text", ["offset 1234567", "took 12.345678 s", "port 8100", "2026-11-24T09:00:00"])
def test_redaction_leaves_ordinary_numbers_alone(text: str) -> None:
    assert log.redact(text) == text


def test_a_line_is_json_and_an_exception_is_a_class_and_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("otp")
    logger = structlog.get_logger()
    try:
        int("the phone +915550000210 is wrong")
    except ValueError:
        logger.exception("failed", phone="+915550000210", event_type="x.v1")
    line = capsys.readouterr().err.strip().splitlines()[-1]
    entry = json.loads(line)
    assert (entry["error"], entry["service"], entry["event_type"]) == ("ValueError", "otp", "x.v1")
    assert "555" not in line
    assert "test_log" in entry["trace"]


def test_a_line_names_the_trace_that_it_was_written_in_and_no_id_is_taken_for_a_phone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("otp")
    log_line = structlog.get_logger().info
    for trace, happened in (
        (f"00-{'a' * 22}9876543210-{'b' * 6}5550000210-01", "happened"),
        (None, "happened outside"),
    ):
        token = current_trace.set(trace)
        log_line(happened)
        current_trace.reset(token)
    inside, outside = (json.loads(line) for line in capsys.readouterr().err.strip().splitlines()[-2:])
    assert (inside["trace_id"], inside["span_id"]) == (f"{'a' * 22}9876543210", f"{'b' * 6}5550000210")
    assert "trace_id" not in outside
