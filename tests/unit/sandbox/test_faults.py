"""Faults, rate limits and the call log."""

from services.sandbox.domain.faults import FAULTS_KEPT, Api, Fault, Faults
from services.sandbox.domain.journal import CALLS_KEPT, Call, Journal, Line
from services.sandbox.domain.pacing import Pacing


def test_a_fault_fits_its_api_method_and_target_as_often_as_it_says() -> None:
    faults = Faults()
    faults.add(Fault(api=Api.TELEGRAM, method="sendMessage", target="1", status=429, times=2))
    assert faults.take(Api.SMS, "send", "1") is None
    assert faults.take(Api.TELEGRAM, "getMe", "1") is None
    assert faults.take(Api.TELEGRAM, "sendMessage", "2") is None
    assert faults.take(Api.TELEGRAM, "SENDMESSAGE", "1") is not None
    assert faults.take(Api.TELEGRAM, "sendmessage", "1") is not None
    assert faults.take(Api.TELEGRAM, "sendmessage", "1") is None


def test_the_bots_polling_does_not_use_up_a_fault_that_does_not_name_it() -> None:
    faults = Faults()
    faults.add(Fault(api=Api.TELEGRAM, status=429))
    faults.add(Fault(api=Api.TELEGRAM, method="getUpdates", status=502))
    polled = faults.take(Api.TELEGRAM, "getUpdates", "")
    assert polled is not None
    assert polled.status == 502
    sent = faults.take(Api.TELEGRAM, "sendMessage", "1")
    assert sent is not None
    assert sent.status == 429


def test_a_fault_without_times_stays_until_it_is_removed() -> None:
    faults = Faults()
    rule = faults.add(Fault(api=Api.SMS, reset=True, times=None))
    assert all(faults.take(Api.SMS, "send", str(n)) is rule for n in range(100))
    assert faults.remove(rule.id)
    assert not faults.remove(rule.id)
    assert faults.take(Api.SMS, "send", "1") is None


def test_a_fault_for_every_third_call_leaves_the_others_alone() -> None:
    faults = Faults()
    faults.add(Fault(api=Api.SMS, status=500, times=None, every=3))
    assert [faults.take(Api.SMS, "send", "1") is not None for _ in range(6)] == [False, False, True] * 2


def test_faults_and_calls_are_bounded() -> None:
    faults, journal = Faults(), Journal()
    for _ in range(FAULTS_KEPT + 50):
        faults.add(Fault(api=Api.SMS, status=500))
    for n in range(CALLS_KEPT + 50):
        journal.add(Call(n, 0.0, Line.SMS, "send", "", {}, 201, {}))
    assert len(faults.rules) == FAULTS_KEPT
    assert len(journal.calls) == CALLS_KEPT
    assert journal.total == CALLS_KEPT + 50
    assert [c.seq for c in journal.find(limit=2)] == [CALLS_KEPT + 49, CALLS_KEPT + 48]


def test_rate_limits_are_off_until_they_are_switched_on() -> None:
    pacing = Pacing()
    assert not any(pacing.wait("1", private=True, now=0.0) for _ in range(100))


def test_one_message_a_second_goes_to_a_private_chat() -> None:
    pacing = Pacing()
    pacing.on = True
    assert pacing.wait("1", private=True, now=0.0) == 0
    assert pacing.wait("1", private=True, now=0.5) == 1
    assert pacing.wait("2", private=True, now=0.5) == 0
    assert pacing.wait("1", private=True, now=1.0) == 0


def test_twenty_messages_a_minute_go_to_a_channel_and_thirty_a_second_in_all() -> None:
    pacing = Pacing()
    pacing.on = True
    assert not any(pacing.wait("-1", private=False, now=0.0) for _ in range(20))
    assert pacing.wait("-1", private=False, now=10.0) == 50
    assert not any(pacing.wait(str(n), private=True, now=30.0) for n in range(30))
    assert pacing.wait("99", private=True, now=30.5) == 1


def test_chats_that_are_quiet_again_are_forgotten() -> None:
    pacing = Pacing()
    pacing.on = True
    for n in range(12_000):
        pacing.wait(str(n), private=True, now=n * 0.05)
    assert len(pacing._sent) < 11_500
