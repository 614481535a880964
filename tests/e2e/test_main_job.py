"""Recorded, asked, proved, shown, announced: by every way that a worker has."""

import pytest

from tests.e2e.conftest import System
from tests.e2e.world import Appointee, ConfirmPage, code_in, handle_in, until

pytestmark = pytest.mark.timeout(900)


def test_the_link_and_the_code_confirm_on_the_web_page(system: System, unit: str, appointee: Appointee) -> None:
    made = system.registry.record(unit, "president", appointee)
    sms = system.phones.sms(appointee, "/c/")
    page = ConfirmPage.of(sms)
    assert appointee.name["hi"] not in page.open(), "the full name is shown to whoever holds the phone"
    assert page.confirm(code_in(sms)).status_code == 200
    assert system.registry.until_state(made["id"], "verified") == "verified"
    assert system.registry.appointment(made["id"])["verified_via"] == "web"


def test_the_code_confirms_by_sms_reply_and_the_answer_names_the_post(
    system: System, unit: str, appointee: Appointee
) -> None:
    made = system.registry.record(unit, "secretary", appointee)
    sms = system.phones.sms(appointee, "/c/")
    system.phones.do(appointee, "reply", text=code_in(sms))
    system.registry.until_state(made["id"], "verified")
    system.phones.sms(appointee, "बूथ मंत्री", after=sms["seq"])


def test_a_tap_confirms_in_telegram_after_sharing_the_own_contact(
    system: System, unit: str, appointee: Appointee
) -> None:
    made = system.registry.record(unit, "whatsapp", appointee)
    handle = handle_in(system.phones.sms(appointee, "/c/"))
    system.phones.do(appointee, "start", payload=handle)
    asked = system.phones.message(appointee)
    system.phones.do(appointee, "contact", kind="own")
    question = tap_first(system, appointee, asked["seq"])
    assert system.registry.until_state(made["id"], "verified") == "verified"
    assert system.registry.appointment(made["id"])["verified_via"] == "telegram"
    until(lambda: not buttons(system, appointee, question), "the buttons are gone")


def tap_first(system: System, who: Appointee, after: int) -> int:
    """Tap the first inline button that comes; returns the message's number."""
    found: list[int] = []

    def offered() -> bool:
        chat = system.phones.http.get(f"/phones/{who.phone}/chat").json()
        found[:] = [m["message_id"] for m in chat["messages"] if m["seq"] > after and m["from_bot"] and m["buttons"]]
        return bool(found)

    until(offered, "the bot asks with buttons")
    label = buttons(system, who, found[-1])[0]
    system.phones.do(who, "tap", label=label, message_id=found[-1])
    return found[-1]


def buttons(system: System, who: Appointee, message_id: int) -> list[str]:
    """Labels of the inline buttons of a message."""
    chat = system.phones.http.get(f"/phones/{who.phone}/chat").json()
    message = next(m for m in chat["messages"] if m["message_id"] == message_id)
    return [button["text"] for row in message["buttons"] for button in row]


@pytest.mark.parametrize("way", ["page", "sms"])
def test_a_refusal_frees_the_seat(system: System, unit: str, appointee: Appointee, way: str) -> None:
    made = system.registry.record(unit, "bla2", appointee)
    sms = system.phones.sms(appointee, "/c/")
    if way == "page":
        assert ConfirmPage.of(sms).refuse().status_code == 200
    else:
        system.phones.do(appointee, "reply", text=f"NO {code_in(sms)}")
    assert system.registry.until_state(made["id"], "refused") == "refused"
    other = Appointee(appointee.number + 500_000)
    system.phones.add(other)
    assert system.registry.record(unit, "bla2", other)["state"] == "recorded"


def test_five_wrong_codes_lock_and_a_reissue_asks_again(system: System, unit: str, appointee: Appointee) -> None:
    made = system.registry.record(unit, "panna", appointee)
    sms = system.phones.sms(appointee, "/c/")
    right = code_in(sms)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    page = ConfirmPage.of(sms)
    for _ in range(5):
        page.confirm(wrong)
    assert system.registry.until_state(made["id"], "locked") == "locked"
    page.post("", code=right)
    assert system.registry.state(made["id"]) == "locked"
    system.registry.act(made["id"], "reissue")
    again = system.phones.sms(appointee, "/c/", after=sms["seq"])
    assert handle_in(again) != handle_in(sms)
    ConfirmPage.of(again).confirm(code_in(again))
    assert system.registry.until_state(made["id"], "verified") == "verified"


def test_a_dead_number_is_shown_and_the_corrected_one_confirms(system: System, unit: str, appointee: Appointee) -> None:
    system.phones.change(appointee, state="dead")
    made = system.registry.record(unit, "mkb", appointee)

    def undelivered() -> bool:
        deliveries = system.registry.appointment(made["id"])["deliveries"]
        return any(d["state"] == "failed" and d["reason"] == "unknown_number" for d in deliveries)

    until(undelivered, "the delivery is shown as failed")
    right = Appointee(appointee.number + 600_000)
    system.phones.add(right)
    system.registry.act(made["id"], "phone", phone=right.phone)
    sms = system.phones.sms(right, "/c/")
    ConfirmPage.of(sms).confirm(code_in(sms))
    assert system.registry.until_state(made["id"], "verified") == "verified"


def test_ended_wins_over_a_code_that_is_still_in_the_phone(system: System, unit: str, appointee: Appointee) -> None:
    made = system.registry.record(unit, "labharthi", appointee)
    sms = system.phones.sms(appointee, "/c/")
    system.registry.act(made["id"], "end", reason="mistake")
    page = ConfirmPage.of(sms)
    until(lambda: 'name="code"' not in page.get().text, "the link is over")
    page.post("", code=code_in(sms))
    assert system.registry.state(made["id"]) == "ended"


def test_the_channel_and_the_subscribers_are_told(system: System, unit: str, appointee: Appointee) -> None:
    channel = system.phones.http.post("/channels", json={"title": "Booth"}).json()["chat_id"]
    member = Appointee(appointee.number + 700_000)
    system.phones.add(member, telegram=False)
    registry = system.registry.http
    assert registry.put(f"/v1/units/{unit}/channel", json={"chat_id": channel}).is_success
    body = {"name": member.name, "phone": member.phone, "language": "hi"}
    assert registry.post(f"/v1/units/{unit}/subscriptions", json=body).is_success
    made = system.registry.record(unit, "member", appointee)
    sms = system.phones.sms(appointee, "/c/")
    ConfirmPage.of(sms).confirm(code_in(sms))
    system.registry.until_state(made["id"], "verified")
    post = system.phones.post(channel, "सदस्य")
    told = system.phones.sms(member, "सदस्य")
    for text in (post["text"], told["body"]):
        assert appointee.name["hi"] not in text, "the name was announced without its consent"
