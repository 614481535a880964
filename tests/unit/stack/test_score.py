"""The demo says exactly which expectation is not met."""

from stack.demo.cast import Behaviour, Seat
from stack.demo.page import _Form
from stack.demo.score import Line, Score


def line(behaviour: Behaviour, state: str, **more: object) -> Line:
    """A line of the demo on some seat."""
    made = Line(behaviour, Seat("1-12", "president"), "a-1", state)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_all_is_well_only_when_everybody_ended_as_they_must() -> None:
    assert Score([line(Behaviour.SMS, "verified"), line(Behaviour.REFUSES_BY_SMS, "refused")]).good
    assert not Score([line(Behaviour.SMS, "refused")]).good
    assert not Score([line(Behaviour.REFUSES_BY_SMS, "verified")]).good
    assert not Score([line(Behaviour.SMS, "verified", problem="late")]).good
    assert not Score([line(Behaviour.SMS, "verified")], ["a dead letter"]).good


def test_a_failure_names_seat_behaviour_state_reason_and_appointment() -> None:
    score = Score(
        [line(Behaviour.SMS, "recorded", problem="no sms within 60 s"), line(Behaviour.WEB, "verified")], ["x"]
    )
    assert score.failures() == [
        "1-12 president (answers the SMS with the code): recorded, must be verified; no sms within 60 s [a-1]",
        "x",
    ]


def test_the_table_counts_by_behaviour_and_takes_the_median() -> None:
    lines = [line(Behaviour.SMS, "verified", seconds=seconds) for seconds in (3.0, 1.0, 2.0)]
    assert Score([*lines, line(Behaviour.SMS, "recorded")]).rows() == [
        ("answers the SMS with the code", "3 of 4", "verified", "2.0 s")
    ]


def test_the_first_posted_form_of_a_page_is_read_with_its_hidden_fields_only() -> None:
    page = """<form method=get action=/search><input type=hidden name=q value=no></form>
        <form method="post" action="/c/h"><input type="hidden" name="request" value="r&amp;1"><input name="code">
        <input type="hidden" name="empty"></form>
        <form method="post"><input type="hidden" name="late" value="no"></form>"""
    form = _Form.of(page)
    assert (form.action, form.hidden, form.method_post) == ("/c/h", {"request": "r&1", "empty": ""}, True)
