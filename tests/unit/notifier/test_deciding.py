"""Rules without I/O: what follows from a failure, which channel comes next, what a receipt changes."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.delivery import Receipt, ReceiptStatus, advance, best
from services.notifier.domain.failures import (
    BACKOFF_CAP,
    MAX_TRANSIENT,
    Class,
    Doubt,
    GiveUp,
    Requeue,
    SendFailure,
    backoff,
    decide,
)
from services.notifier.domain.message import AnswerText, Link, Message, State
from services.notifier.domain.routing import route
from shared.events import Channel, Reason
from tests.unit.notifier.letters import NOW, announcement, invitation, message

ALL = (Channel.TELEGRAM, Channel.SMS)


def failure(kind: Class, **more: object) -> SendFailure:
    return SendFailure(kind, Reason.REJECTED, provider="p", provider_code=1, **more)  # type: ignore[arg-type]


def test_a_doubt_is_a_doubt_however_often() -> None:
    assert all(decide(failure(Class.UNKNOWN), n, NOW) == Doubt() for n in range(9))


def test_being_throttled_waits_as_told_and_never_counts() -> None:
    decision = decide(failure(Class.THROTTLE, retry_after=37.0), 99, NOW)
    assert decision == Requeue(NOW + timedelta(seconds=37), counts=False, pause=37.0)


def test_being_throttled_without_a_time_waits_a_second() -> None:
    assert decide(failure(Class.THROTTLE), 0, NOW) == Requeue(NOW + timedelta(seconds=1), counts=False, pause=1.0)


def test_what_may_pass_is_tried_five_times_then_given_up() -> None:
    decisions = [decide(failure(Class.RETRY), n, NOW, jitter=1.0) for n in range(MAX_TRANSIENT)]
    waits = [(d.not_before - NOW).total_seconds() for d in decisions if isinstance(d, Requeue)]
    assert waits == [1, 2, 4, 8]
    assert decisions[-1] == GiveUp(Reason.REJECTED)


@pytest.mark.parametrize("kind", [Class.PERMANENT, Class.CONFIG])
def test_what_fails_for_good_goes_to_the_next_channel(kind: Class) -> None:
    assert decide(failure(kind), 0, NOW) == GiveUp(Reason.REJECTED)


def test_an_opt_out_is_remembered() -> None:
    assert decide(failure(Class.STOP, suppress=True), 0, NOW) == GiveUp(Reason.REJECTED, suppress=True)


@given(st.integers(0, 50), st.floats(0, 1))
def test_waiting_grows_to_its_cap_and_no_further(failures: int, jitter: float) -> None:
    assert 0.5 <= backoff(failures, jitter) <= BACKOFF_CAP


def link(*, days: float = 0, reachable: bool = True, announcements: bool = True) -> Link:
    return Link(7, 7, "hi", ("f",), NOW - timedelta(days=days), reachable, announcements)


def chosen(m: Message, to: Link | None, *, opted_out: bool = False, available: tuple[Channel, ...] = ALL) -> object:
    return route(m, to, opted_out=opted_out, available=available, now=NOW)


CODE = invitation().message
NEWS = announcement().message


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (None, Channel.SMS),
        (link(), Channel.TELEGRAM),
        (link(days=90), Channel.TELEGRAM),
        (link(days=90.1), Channel.SMS),
        (link(reachable=False), Channel.SMS),
    ],
)
def test_a_person_gets_telegram_where_the_link_is_fresh_and_reachable(to: Link | None, expected: Channel) -> None:
    assert chosen(CODE, to) == expected


def test_a_channel_is_tried_once() -> None:
    tried = message(CODE.text, tried=(Channel.TELEGRAM,))
    assert chosen(tried, link()) == Channel.SMS
    assert chosen(message(CODE.text, tried=ALL), link()) == Reason.NO_CHANNEL


def test_without_a_bot_everything_goes_by_sms() -> None:
    assert chosen(CODE, link(), available=(Channel.SMS,)) == Channel.SMS


def test_a_channel_post_is_for_telegram_alone() -> None:
    post = message(NEWS.text, chat_id=-100)
    assert chosen(post, None) == Channel.TELEGRAM
    assert chosen(post, None, available=(Channel.SMS,)) == Reason.NO_CHANNEL
    assert chosen(post, None, opted_out=True) == Channel.TELEGRAM


def test_an_opt_out_stops_announcements_alone() -> None:
    assert chosen(NEWS, link(), opted_out=True) == Reason.OPTED_OUT
    assert chosen(NEWS, link(announcements=False)) == Reason.OPTED_OUT
    assert chosen(CODE, link(announcements=False), opted_out=True) == Channel.TELEGRAM


def test_an_sms_is_answered_by_sms() -> None:
    assert chosen(message(AnswerText(kind="help")), link()) == Channel.SMS


SENT, DELIVERED, FAILED = (Receipt(1, status) for status in ReceiptStatus)


@pytest.mark.parametrize(
    ("state", "receipt", "expected"),
    [
        (State.ACCEPTED, SENT, None),
        (State.ACCEPTED, DELIVERED, State.DELIVERED),
        (State.ACCEPTED, FAILED, State.FAILED),
        (State.UNKNOWN, SENT, State.ACCEPTED),
        (State.UNKNOWN, DELIVERED, State.DELIVERED),
        (State.FAILED, SENT, None),
        (State.FAILED, FAILED, None),
        (State.FAILED, DELIVERED, State.DELIVERED),
        (State.DELIVERED, FAILED, None),
        (State.DELIVERED, DELIVERED, None),
        (State.QUEUED, DELIVERED, None),
        (State.SENDING, DELIVERED, None),
    ],
)
def test_a_receipt_only_ever_raises_the_state(state: State, receipt: Receipt, expected: State | None) -> None:
    assert advance(state, receipt) == expected


@given(st.lists(st.sampled_from([SENT, DELIVERED, FAILED]), min_size=1))
def test_in_any_order_receipts_end_in_the_same_state(receipts: list[Receipt]) -> None:
    def end(order: list[Receipt]) -> State:
        state = State.ACCEPTED
        for receipt in order:
            state = advance(state, receipt) or state
        return state

    decisive = best(receipts)
    assert decisive is not None
    assert end(receipts) == end(receipts[::-1]) == (advance(State.ACCEPTED, decisive) or State.ACCEPTED)


def test_a_provider_that_says_to_wait_for_ever_is_believed_for_an_hour() -> None:
    failure = SendFailure(Class.THROTTLE, Reason.PROVIDER_DOWN, provider="p", provider_code=429, retry_after=1e12)
    assert decide(failure, 0, NOW) == Requeue(NOW + timedelta(hours=1), counts=False, pause=3600.0)
