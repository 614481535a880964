"""Twilio's wire format, without the wire."""

import pytest

from services.notifier.channels.twilio import inbound_of, refusal, status_of
from services.notifier.domain.delivery import ReceiptStatus
from services.notifier.domain.failures import Class
from shared.events import Reason


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (400, 21211, Class.PERMANENT, Reason.UNKNOWN_NUMBER),
        (400, 21610, Class.STOP, Reason.OPTED_OUT),
        (400, 21612, Class.PERMANENT, Reason.UNREACHABLE),
        (400, 21614, Class.PERMANENT, Reason.NOT_MOBILE),
        (400, 21617, Class.PERMANENT, Reason.REJECTED),
        (400, 99999, Class.PERMANENT, Reason.REJECTED),
        (400, None, Class.PERMANENT, Reason.REJECTED),
        (401, 20003, Class.CONFIG, Reason.CONFIGURATION),
        (403, None, Class.CONFIG, Reason.CONFIGURATION),
        (404, 20404, Class.CONFIG, Reason.CONFIGURATION),
        (400, 21606, Class.CONFIG, Reason.CONFIGURATION),
        (400, 21657, Class.CONFIG, Reason.CONFIGURATION),
        (429, 20429, Class.THROTTLE, Reason.PROVIDER_DOWN),
        (429, None, Class.THROTTLE, Reason.PROVIDER_DOWN),
        (500, None, Class.UNKNOWN, Reason.PROVIDER_DOWN),
        (503, 20503, Class.UNKNOWN, Reason.PROVIDER_DOWN),
        (302, None, Class.UNKNOWN, Reason.PROVIDER_DOWN),
    ],
)
def test_an_answer_means(status: int, code: int | None, kind: Class, reason: Reason) -> None:
    failure = refusal(status, code, "7")
    assert (failure.kind, failure.reason) == (kind, reason)
    assert failure.suppress is (kind is Class.STOP)
    assert failure.alarms is (kind is Class.CONFIG)
    assert failure.retry_after == (7.0 if kind is Class.THROTTLE else None)


@pytest.mark.parametrize(
    ("status", "code", "means", "reason"),
    [
        ("sent", "", ReceiptStatus.SENT, None),
        ("delivered", "", ReceiptStatus.DELIVERED, None),
        ("read", "", ReceiptStatus.DELIVERED, None),
        ("undelivered", "30003", ReceiptStatus.FAILED, Reason.UNREACHABLE),
        ("undelivered", "30004", ReceiptStatus.FAILED, Reason.BLOCKED),
        ("undelivered", "30005", ReceiptStatus.FAILED, Reason.UNKNOWN_NUMBER),
        ("undelivered", "30006", ReceiptStatus.FAILED, Reason.NOT_MOBILE),
        ("failed", "30007", ReceiptStatus.FAILED, Reason.REJECTED),
        ("failed", "", ReceiptStatus.FAILED, Reason.UNREACHABLE),
        ("failed", "31337", ReceiptStatus.FAILED, Reason.UNREACHABLE),
    ],
)
def test_a_status_callback_means(status: str, code: str, means: ReceiptStatus, reason: Reason | None) -> None:
    said = status_of({"MessageStatus": status, "ErrorCode": code})
    assert said is not None
    assert (said.status, said.reason) == (means, reason)


@pytest.mark.parametrize(
    "status", ["queued", "sending", "accepted", "scheduled", "partially_delivered", "", "nonsense"]
)
def test_a_status_callback_that_says_nothing_new_is_nothing(status: str) -> None:
    assert status_of({"MessageStatus": status}) is None


def test_an_inbound_message_needs_an_id_and_a_sender() -> None:
    assert inbound_of({"From": "+919812345678"}) is None
    assert inbound_of({"MessageSid": "SM1"}) is None
    found = inbound_of({"MessageSid": "SM1", "From": "+919812345678", "Body": "482107", "OptOutType": "STOP"})
    assert found is not None
    assert (found.sid, found.body, found.opt_out) == ("SM1", "482107", "STOP")


def test_an_endless_inbound_message_is_cut() -> None:
    found = inbound_of({"MessageSid": "S" * 999, "From": "+" * 999, "Body": "x" * 99_999})
    assert found is not None
    assert len(found.body) == 1600
    assert len(found.sid) == 64
