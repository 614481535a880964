"""Receipts: what is reported when."""

import pytest
from twilio.request_validator import RequestValidator

from services.sandbox.domain.receipts import PhoneState, Receipts, plan, sign


@pytest.mark.parametrize(
    ("state", "rule", "steps"),
    [
        ("on", "normal", [(0.1, "sent", None), (0.1, "delivered", None)]),
        ("on", "early", [(0.0, "sent", None), (0.0, "delivered", None)]),
        ("on", "late", [(0.1, "sent", None), (30.0, "delivered", None)]),
        ("on", "out_of_order", [(0.1, "delivered", None), (0.1, "sent", None)]),
        ("on", "never", []),
        ("off", "normal", [(0.1, "sent", None)]),
        ("dead", "normal", [(0.1, "sent", None), (0.1, "undelivered", 30005)]),
        ("blocked", "early", [(0.0, "sent", None), (0.0, "undelivered", 30004)]),
        ("unreachable", "late", [(0.1, "sent", None), (30.0, "undelivered", 30003)]),
        ("filtered", "never", []),
    ],
)
def test_the_plan_follows_the_phone_and_the_rule(
    state: str, rule: str, steps: list[tuple[float, str, int | None]]
) -> None:
    planned = plan(PhoneState(state), Receipts(rule), delay=0.2, late_by=30.0)
    assert [(s.after, s.status, s.error_code) for s in planned] == steps


def test_twice_means_each_receipt_twice() -> None:
    planned = plan(PhoneState.ON, Receipts.TWICE, delay=0.2, late_by=30.0)
    assert [s.status for s in planned] == ["sent", "sent", "delivered", "delivered"]


def test_the_signature_is_the_one_that_twilios_package_computes() -> None:
    url, form = "https://example.org/status?message=a%2Bb", {"To": "+915550000210", "Body": "नमस्ते", "Empty": ""}
    assert sign("token", url, form) == RequestValidator("token").compute_signature(url, form)
