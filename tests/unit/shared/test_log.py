"""Nothing personal or secret comes out of the log, whatever goes in."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared import log


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    yield
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
        "GET /c/AbC-123_x",
        "https://t.me/bot?start=AbC123",
        "POST /bot12345:AAH-token/sendMessage",
    ],
)
def test_redaction_takes_out_phones_codes_handles_and_tokens(text: str) -> None:
    redacted = log.redact(text)
    assert not any(secret in redacted for secret in ("555", "98765", "482107", "AbC", "AAH"))
    assert "•••" in redacted


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
