"""From an outbox entry to the record on the topic: what consumers of otp rely on."""

from base64 import b64encode
from typing import Any
from uuid import UUID

import orjson
import pytest
from nacl.public import PrivateKey

from services.otp.domain.codes import Codes
from services.otp.domain.policy import milliseconds, moment_of
from services.otp.relay import Composer
from services.otp.store import Entry
from shared import ids
from shared.events import (
    ChallengeEvent,
    ChallengeVerified,
    Event,
    MessageRequested,
    ReplyJudged,
    Result,
    decode,
    encode,
    topic_of,
)
from shared.seal import Sealer

ORGANISATION, APPOINTMENT, CAUSE = UUID(int=1), UUID(int=2), UUID(int=3)
CHALLENGE = ids.challenge_id(APPOINTMENT, 1)
AT = milliseconds(moment_of(1_795_510_800_000))
KEYS = {name: PrivateKey.generate() for name in ("otp", "notifier")}
PEERS = {f"{name}/a": b64encode(bytes(key.public_key)).decode() for name, key in KEYS.items()}
SEALERS = {name: Sealer(name, {"a": b64encode(bytes(key)).decode()}, PEERS) for name, key in KEYS.items()}
CODES = Codes({"k1": b"1" * 32})
COMPOSER = Composer(CODES, SEALERS["otp"], "https://c.example.org")
SEALED = SEALERS["otp"].seal("notifier", "x", "y", "z")

STATE: dict[str, Any] = {
    "challenge": str(CHALLENGE),
    "organisation": str(ORGANISATION),
    "appointment": str(APPOINTMENT),
    "cycle": 1,
    "version": 2,
    "at": AT,
    "causation": str(CAUSE),
}
NOTICE = {"version": "1", "language": "hi", "at": AT}
STATES: list[tuple[str, dict[str, Any]]] = [
    ("challenge.opened.v1", {"version": 1, "not_after": AT + 1000}),
    ("challenge.verified.v1", {"via": "web", "verified_at": AT, "notice": NOTICE, "name_consent": None}),
    ("challenge.verified.v1", {"via": "telegram", "verified_at": AT, "notice": NOTICE, "name_consent": NOTICE}),
    ("challenge.refused.v1", {"via": "sms"}),
    ("challenge.locked.v1", {"via": "web"}),
    ("challenge.expired.v1", {}),
    *[("challenge.closed.v1", {"reason": reason}) for reason in ("superseded", "ended", "erased")],
]


def entry(kind: str, body: dict[str, Any], asking: dict[str, Any] | None = None) -> Entry:
    """As a script writes it."""
    return Entry("1-0", kind, orjson.dumps(body).decode(), orjson.dumps(asking).decode() if asking else "", None)


def over_the_topic(event: Event) -> Event:
    """Encoded and decoded."""
    record = encode(event)
    assert record.topic == topic_of(event).name
    return decode(record.value, record.headers)


@pytest.mark.parametrize(("kind", "more"), STATES)
def test_a_state_reads_back_with_its_version_cause_and_key(kind: str, more: dict[str, Any]) -> None:
    event = over_the_topic(COMPOSER.event(entry(kind, {**STATE, **more})))
    assert isinstance(event, ChallengeEvent)
    assert event.type == kind
    assert (event.subject, event.appointment_id, event.cycle) == (CHALLENGE, APPOINTMENT, 1)
    assert (event.version, event.causation_id, event.at) == (more.get("version", 2), CAUSE, moment_of(AT))
    assert event.key == str(APPOINTMENT)
    assert (event.not_after is None) == (kind != "challenge.opened.v1")  # a final state is never too late to hear
    if isinstance(event, ChallengeVerified):
        assert event.notice.version == "1"
        assert (event.name_consent is None) == (more["name_consent"] is None)


@pytest.mark.parametrize("n", [None, 3])
def test_a_message_request_carries_its_secrets_sealed_for_the_notifier_alone(n: int | None) -> None:
    body = {**STATE, "attempt": 2, "not_after": AT + 540_000, "kid": "k1", "code_not_after": AT + 600_000} | (
        {"n": n} if n else {}
    )
    asking = {
        "organisation": {"hi": "संगठन", "en": None},
        "unit": {"id": str(UUID(int=9)), "code": "223", "label": {"hi": "बूथ", "en": None}, "within": None},
        "post": {"code": "p", "label": {"hi": "पद", "en": None}},
        "language": "hi",
        "fingerprints": {"v1": "ab" * 32},
        "phone_last3": "210",
        "contact": SEALED,
    }
    event = over_the_topic(COMPOSER.event(entry("message.requested.v1", body, asking)))
    assert isinstance(event, MessageRequested)
    assert (event.subject, event.version) == (ids.message_id(CHALLENGE, "person", 2), 1)
    assert event.key == str(APPOINTMENT)
    assert event.secrets is not None
    opened = SEALERS["notifier"].open(event.secrets, sender="otp", subject=str(event.subject), field="secrets")
    handle = CODES.handle("k1", CHALLENGE)
    assert opened == {
        "handle": handle,
        "link": f"https://c.example.org/c/{handle}",
        "code": CODES.code("k1", CHALLENGE, n) if n else None,
    }
    assert handle not in event.model_dump_json()


def test_a_judgement_reads_back_with_its_outcomes() -> None:
    outcome = {"challenge": str(CHALLENGE), "appointment": str(APPOINTMENT), "result": "wait", "at": AT, "left": 4}
    body = {
        "reply": str(UUID(int=7)),
        "conversation": str(UUID(int=8)),
        "organisation": str(ORGANISATION),
        "causation": str(CAUSE),
        "at": AT,
        "outcomes": [outcome],
    }
    event = over_the_topic(COMPOSER.event(entry("reply.judged.v1", body)))
    assert isinstance(event, ReplyJudged)
    assert (event.subject, event.key) == (UUID(int=7), str(UUID(int=8)))
    (found,) = event.outcomes
    assert (found.result, found.guesses_left, found.retry_at) == (Result.WAIT, 4, moment_of(AT))
    empty = over_the_topic(COMPOSER.event(entry("reply.judged.v1", {**body, "outcomes": {}})))  # as Lua writes it
    assert isinstance(empty, ReplyJudged)
    assert empty.outcomes == ()


@pytest.mark.parametrize("broken", [entry("nonsense.v1", STATE), entry("challenge.opened.v1", {}), entry("x", [])])  # type: ignore[arg-type]
def test_what_cannot_be_built_fails_in_a_way_that_the_relay_knows(broken: Entry) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        COMPOSER.event(broken)
