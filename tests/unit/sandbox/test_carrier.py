"""The carrier's rules and bounds."""

import pytest

from services.sandbox.domain import carrier, world
from services.sandbox.domain.failures import CarrierRefusal, NotAPhone, NothingToAnswer, PhoneTaken, UnknownPhone
from services.sandbox.domain.receipts import PhoneState, Step
from tests.unit.sandbox import worlds
from tests.unit.sandbox.worlds import ANITA, NOW, SENDERS, sms


def test_a_message_is_kept_with_its_callback_parameters() -> None:
    made = worlds.world()
    taken = made.carrier.accept(sms(StatusCallback="http://127.0.0.1/s?message=m1&sig=x%3D"), SENDERS, NOW)
    assert taken.query() == {"message": "m1", "sig": "x="}
    assert list(made.phone(ANITA).inbox) == [taken]
    assert made.carrier.messages == {taken.sid: taken}


def test_the_callers_id_is_found_in_the_callbacks_query_or_path() -> None:
    made = worlds.world()
    taken = made.carrier.accept(sms(StatusCallback="http://127.0.0.1/twilio/status/m-7?try=2"), SENDERS, NOW)
    assert (taken.caller_id(), taken.caller_id("try"), taken.caller_id("x")) == ("m-7", "2", None)
    assert made.carrier.accept(sms(), SENDERS, NOW).caller_id() is None


def test_a_dead_phone_or_one_that_is_off_shows_nothing() -> None:
    made = worlds.world()
    phone = worlds.phone(made)
    for state in (PhoneState.DEAD, PhoneState.OFF):
        phone.state = state
        made.carrier.accept(sms(), SENDERS, NOW)
    assert len(made.carrier.messages) == 2
    assert not phone.inbox


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 21604),
        ({"To": "5550000210"}, 21211),
        ({"To": ANITA}, 21603),
        ({"To": ANITA, "From": "OTHER"}, 21606),
        ({"To": ANITA, "From": "BL-BOOTHL"}, 21602),
        (sms(body="x" * 1601), 21617),
        (sms(StatusCallback="/relative"), 21609),
    ],
)
def test_what_twilio_refuses_is_refused_in_its_order(form: dict[str, str], code: int) -> None:
    with pytest.raises(CarrierRefusal) as caught:
        worlds.world().carrier.accept(form, SENDERS, NOW)
    assert caught.value.code == code
    assert caught.value.body()["more_info"].endswith(str(code))


def test_a_number_or_a_messaging_service_may_send_too() -> None:
    made = worlds.world()
    made.carrier.accept({"To": ANITA, "From": "+14155550123", "Body": "x"}, SENDERS, NOW)
    made.carrier.accept({"To": ANITA, "MessagingServiceSid": "MG1", "Body": "x"}, SENDERS, NOW)
    assert [s.sender for s in made.phone(ANITA).inbox] == ["+14155550123", "MG1"]


def test_an_answer_goes_to_the_last_sender() -> None:
    made = worlds.world()
    phone = worlds.phone(made)
    with pytest.raises(NothingToAnswer):
        made.carrier.answer(phone, "482107", NOW)
    made.carrier.accept(sms(), SENDERS, NOW)
    answer, opt_out = made.carrier.answer(phone, "482107", NOW)
    assert (answer.sender, answer.to, opt_out) == (ANITA, "BL-BOOTHL", "")


def test_a_late_sent_does_not_undo_delivered() -> None:
    made = worlds.world()
    taken = made.carrier.accept(sms(), SENDERS, NOW)
    made.carrier.report(taken, Step(0, "delivered"))
    made.carrier.report(taken, Step(0, "sent"))
    assert taken.status == "delivered"
    assert taken.reported == ["delivered", "sent"]


def test_sids_of_two_starts_never_meet() -> None:
    one = worlds.world().carrier.accept(sms(), SENDERS, NOW).sid
    other = world.World(username="b", now=NOW, nonce="f" * 16, touch=lambda _: None)
    assert other.carrier.accept(sms(), SENDERS, NOW).sid != one


def test_messages_inboxes_and_unknown_phones_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "MESSAGES_KEPT", 50)
    monkeypatch.setattr(world, "PHONES_KEPT", 10)
    made = worlds.world()
    worlds.phone(made)
    for n in range(300):
        made.carrier.accept(sms(), SENDERS, NOW)
        made.carrier.accept(sms(to=f"+9155500{n:05d}"), SENDERS, NOW)
    assert len(made.carrier.messages) == 50
    assert made.carrier.accepted == 600
    assert len(made.phones) == 10
    assert len(made.phone(ANITA).inbox) == carrier.INBOX_KEPT, "a phone that somebody made is never dropped"


def test_phones_are_found_and_made_by_their_number() -> None:
    made = worlds.world()
    made.carrier.accept(sms(), SENDERS, NOW)
    phone = made.create("+91 55500 00210", name="Anita", last_name="Kushwaha")
    assert phone is made.phone("915550000210"), "the number that had an SMS is taken over"
    assert phone.name == "Anita Kushwaha"
    assert len(phone.inbox) == 1
    with pytest.raises(PhoneTaken):
        made.create(ANITA, name="Other")
    with pytest.raises(NotAPhone):
        made.create("+0123", name="x")
    with pytest.raises(UnknownPhone):
        made.phone("+1")
