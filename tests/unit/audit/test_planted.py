"""Each inconsistency that is planted into a sound story is found and named, and a sound story has none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stack.audit.auditing import Audit, concluded
from stack.audit.notebook import Notebook
from stack.audit.rules import Dead, Whole, judge
from stack.audit.story import (
    FOUND,
    PLACES,
    Act,
    Arrived,
    Asked,
    Challenge,
    Held,
    Letter,
    Shown,
    Stated,
    Story,
    Told,
)

A, C, M, N = "appointment-1", "challenge-1", "message-1", "message-2"


def stated(kind: str, subject: str, version: int = 1, *, body: str = "same", cycle: int = 1) -> Stated:
    return Stated(A, kind, subject, version, f"{kind}:{subject}:{version}", body, cycle)


def sound() -> Story:
    """Recorded, asked by SMS, one send in doubt and its new attempt, confirmed by reply."""
    return Story(
        A,
        held=[Held(A, "verified", 1, 2, "live", "sms", verified=1, announced=1)],
        asked=[Asked(A, C, 1, "verified", 2)],
        challenges=[Challenge(A, C, 1, "verified", 2, 2, "code code:again")],
        told=[Told(A, C, "verified", 2)],
        letters=[
            Letter(A, M, "invitation", 1, "unknown", 1, 1, C, "sms"),
            Letter(A, N, "invitation", 2, "delivered", 2, 1, C, "sms"),
        ],
        shown=[Shown(A, M, "unknown", 1), Shown(A, N, "delivered", 2)],
        stated=[
            stated("appointment.recorded.v1", A),
            stated("challenge.opened.v1", C),
            stated("challenge.verified.v1", C, 2),
            stated("challenge.verified.v1", C, 2),  # the relay published it twice
            stated("message.requested.v1", M),
            stated("message.requested.v1", N),
            stated("delivery.unknown.v1", M),
            stated("delivery.accepted.v1", N),
            stated("delivery.delivered.v1", N, 2),
        ],
        arrived=[Arrived(A, M, 1, "phone"), Arrived(A, N, 1, "phone")],
        acts=[Act(A, "verified", 0, "phone")],
    )


def kinds(story: Story) -> set[str]:
    return {finding.kind for finding in judge(story)}


def test_a_sound_story_has_no_finding() -> None:
    assert kinds(sound()) == set()


def held(**changed: object) -> Callable[[Story], None]:
    return lambda story: story.held.__setitem__(0, replace(story.held[0], **changed))  # type: ignore[arg-type]


def challenge(**changed: object) -> Callable[[Story], None]:
    return lambda story: story.challenges.__setitem__(0, replace(story.challenges[0], **changed))  # type: ignore[arg-type]


def letter(number: int, **changed: object) -> Callable[[Story], None]:
    return lambda story: story.letters.__setitem__(number, replace(story.letters[number], **changed))  # type: ignore[arg-type]


def without(place: str, kind: str = "") -> Callable[[Story], None]:
    def plant(story: Story) -> None:
        rows = getattr(story, place)
        rows[:] = [row for row in rows if kind and getattr(row, "type", "") != kind]

    return plant


def with_record(record: Stated) -> Callable[[Story], None]:
    return lambda story: story.stated.append(record)


def with_arrival(arrival: Arrived) -> Callable[[Story], None]:
    return lambda story: story.arrived.append(arrival)


PLANTED: dict[str, tuple[Callable[[Story], None], str]] = {
    "the registry lost the appointment": (without("held"), "lost: not in the registry"),
    "the relay never published it": (without("stated", "appointment.recorded.v1"), "recorded, never stated"),
    "otp never opened it": (without("challenges"), "lost: never asked"),
    "otp refused what registry verified": (challenge(state="refused"), "states disagree"),
    "the registry missed the last word": (without("asked"), "registry has not heard"),
    "the notifier missed it": (without("told"), "notifier has not heard"),
    "verified under a second id": (
        with_record(Stated(A, "challenge.verified.v1", C, 2, "another id", "same", 1)),
        "second verified event",
    ),
    "verified twice in the timeline": (held(verified=2), "second effect"),
    "announced twice": (held(announced=2), "second effect"),
    "verified without an event": (without("stated", "challenge.verified.v1"), "verified by nobody"),
    "verified without an effect": (held(verified=0), "verified without an effect"),
    "the person confirmed and nobody noticed": (held(state="recorded"), "lost: answered, still open"),
    "the person confirmed, it is refused": (held(state="refused"), "wrong outcome"),
    "a version was never stated": (without("stated", "delivery.accepted.v1"), "versions with a gap"),
    "a version has two events": (with_record(stated("delivery.failed.v1", N, 2)), "two events for one version"),
    "an event has two bodies": (
        with_record(stated("challenge.verified.v1", C, 2, body="other")),
        "one event with two bodies",
    ),
    "events of a challenge that nobody keeps": (
        with_record(stated("challenge.opened.v1", "challenge-9")),
        "stated by nobody",
    ),
    "the notifier lost a request": (
        with_record(stated("message.requested.v1", "message-9")),
        "lost: request not in the ledger",
    ),
    "the ledger holds what nobody requested": (
        without("stated", "message.requested.v1"),
        "message that nobody requested",
    ),
    "a message is stuck": (letter(1, state="sending"), "message without an end"),
    "a delivery was not heard": (without("shown"), "delivery not heard"),
    "accepted, but the carrier has none": (without("arrived"), "lost: accepted, never arrived"),
    "stated as expired, but sent": (letter(0, state="failed", reason="expired"), "sent, but stated as not sent"),
    "one try went out twice": (with_arrival(Arrived(A, N, 1, "phone")), "one try sent twice"),
    "a second try went out silently": (with_arrival(Arrived(A, N, 2, "phone")), "sent again silently"),
    "an SMS that no ledger knows": (with_arrival(Arrived(A, "message-9", 1, "phone")), "arrived, sent by nobody"),
    "an attempt is missing": (challenge(attempt=3), "attempts differ"),
    "a repeat of a send that was not in doubt": (
        without("stated", "delivery.unknown.v1"),
        "repeat without a send in flight",
    ),
    "a code that nobody asked for": (challenge(hows="code code"), "sent without being asked"),
    "a stranger's phone": (with_arrival(Arrived(A, N, 1, "other")), "wrong phone"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_named(name: str) -> None:
    plant, kind = PLANTED[name]
    story = sound()
    plant(story)
    assert kind in kinds(story)


def test_an_open_appointment_needs_a_reason() -> None:
    story = sound()
    story.held[0] = replace(story.held[0], state="recorded", verified=0, announced=0)
    story.challenges[0] = replace(story.challenges[0], state="open", version=1)
    story.asked[0] = replace(story.asked[0], state="opened", version=1)
    story.told.clear()
    story.acts[0] = replace(story.acts[0], ends="recorded")
    without("stated", "challenge.verified.v1")(story)
    assert kinds(story) == set(), "it was delivered and not answered"
    story.letters.clear()
    assert "open without a reason" in kinds(story)


def test_after_a_broker_came_back_empty_the_last_word_is_enough_but_must_be_there() -> None:
    story = sound()
    story.stated = [
        record for record in story.stated if record.type not in {"challenge.opened.v1", "message.requested.v1"}
    ]
    assert {"versions with a gap", "message that nobody requested"} <= kinds(story)
    assert list(judge(story, complete=False)) == []
    without("stated", "challenge.verified.v1")(story)
    assert {finding.kind for finding in judge(story, complete=False)} == {"verified by nobody"}


def test_a_reply_has_one_judgement() -> None:
    received = Stated("reply", "reply.received.v1", "reply", 1, "event-1", "same")
    judged = Stated("reply", "reply.judged.v1", "reply", 1, "event-2", "same")
    assert kinds(Story("reply", stated=[received, judged, judged])) == set()
    assert kinds(Story("reply", stated=[received])) == {"reply never judged"}
    assert kinds(Story("reply", stated=[judged])) == {"judgement without a reply"}


def test_an_answer_to_a_reply_belongs_to_no_appointment_and_is_sound() -> None:
    story = Story(
        M,
        letters=[Letter(M, M, "answer", 1, "accepted", 1, 1, None, "sms")],
        shown=[Shown(M, M, "accepted", 1)],
        stated=[Stated(M, "delivery.accepted.v1", M, 1, "event", "same")],
        arrived=[Arrived(M, M, 1, "phone")],
    )
    assert kinds(story) == set()


def written(folder: Path, *stories: Story) -> Notebook:
    notebook = Notebook(folder / "audit.sqlite")
    for kind, place in PLACES.items():
        for story in stories:
            notebook.add(kind, getattr(story, place))
    notebook.match_arrivals()
    return notebook


def concluding(folder: Path, found: Whole, *stories: Story, expected: int | None = None) -> Audit:
    with written(folder, *stories) as notebook:
        return concluded(notebook, found, expected=expected)


def test_the_notebook_gives_back_each_story_whole_and_in_order(tmp_path: Path) -> None:
    first, second = sound(), Story("b", acts=[Act("b", "")])
    with written(tmp_path, second, first) as notebook:
        assert list(notebook.stories()) == [first, second]


def test_arrivals_find_their_appointment_by_the_ledger(tmp_path: Path) -> None:
    story = sound()
    story.arrived = [replace(each, key=each.message) for each in story.arrived]
    assert concluding(tmp_path, Whole(), story).kinds == {}


def test_acts_under_a_phone_find_their_appointment_and_everybody_else_has_done_nothing(tmp_path: Path) -> None:
    acted, silent = sound(), Story("b", held=[Held("b", "recorded", 1, 1, "invite")])
    acted.acts = [Act("phone", "verified", 0, "phone")]
    silent.arrived = [Arrived("b", "message-9", 1, "other phone")]
    with written(tmp_path, acted, silent) as notebook:
        notebook.match_acts_by_phone()
        found = {story.key: [(act.ends, act.phone) for act in story.acts] for story in notebook.stories()}
    assert found == {A: [("verified", "phone")], "b": [("recorded", "other phone")]}


def test_a_sound_installation_ends_with_0_and_is_counted(tmp_path: Path) -> None:
    result = concluding(tmp_path, Whole({"registry outbox": 0}, {"otp": 0}), sound(), expected=1)
    assert (result.exit_code, result.recorded, result.states) == (0, 1, {"verified": 1})
    assert result.repeats == {"records": 9, "events": 8, "new attempts": 1, "sends in doubt": 1}


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (Whole({"otp outbox": 2}), "left over"),
        (Whole(lag={"registry": 1}), "group behind"),
        (Whole(dead=(Dead("otp.challenges.dead", "registry", "no_such_appointment"),)), "dead letter"),
    ],
)
def test_what_is_left_over_is_named(tmp_path: Path, found: Whole, kind: str) -> None:
    result = concluding(tmp_path, found, sound())
    assert dict(result.kinds) == {kind: 1}
    assert result.exit_code == FOUND


def test_an_appointment_that_was_asked_for_and_is_not_there_is_counted(tmp_path: Path) -> None:
    assert "counts differ" in concluding(tmp_path, Whole(), sound(), expected=2).kinds


def test_a_dead_letter_that_was_meant_is_no_finding(tmp_path: Path) -> None:
    found = Whole(dead=(Dead("otp.challenges.dead", "registry", "meant"),))
    with written(tmp_path, sound()) as notebook:
        assert concluded(notebook, found, expected_dead=frozenset({"meant"})).kinds == {}
