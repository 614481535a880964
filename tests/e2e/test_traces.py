"""One trace from the recorder's request to the code at the carrier; a second one, linked, from the person to a page."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest

from tests.collector import Recorded, ancestry
from tests.e2e.conftest import System
from tests.e2e.test_main_job import tap_first
from tests.e2e.world import PATIENCE, Appointee, ConfirmPage, code_in, handle_in, until

pytestmark = pytest.mark.timeout(900)


@dataclass
class Traces:
    """What the collector has, from the view of one recording."""

    system: System
    trace: str = field(default_factory=lambda: secrets.token_hex(16))
    """The recorder's own."""

    @property
    def header(self) -> dict[str, str]:
        """What the recorder's system sends along."""
        return {"traceparent": f"00-{self.trace}-{secrets.token_hex(8)}-01"}

    def find(self, name: str, wanted: Callable[[Recorded], bool]) -> Recorded:
        """Wait for a span."""
        found: list[Recorded] = []

        def came() -> bool:
            found[:] = [span for span in self.system.collector.spans if span.name == name and wanted(span)]
            return bool(found)

        until(came, f"a span {name} arrives at the collector")
        return found[0]

    def here(self, name: str, service: str | None = None) -> Recorded:
        """A span of the recorder's trace."""
        return self.find(name, lambda span: span.trace == self.trace and service in {None, span.service})

    def linked(self, name: str) -> Recorded:
        """A span that goes back to the recorder's trace from another one."""
        return self.find(name, lambda span: self.trace in {trace for trace, _ in span.links})

    def ancestry(self, span: Recorded) -> list[str]:
        """Names up to the root; the parents may arrive after it."""
        spans = self.system.collector.spans
        return ancestry(span, spans)


@pytest.fixture
def traces(system: System) -> Traces:
    """Of a trace of this test alone."""
    return Traces(system)


def record(system: System, traces: Traces, unit: str, post: str, who: Appointee) -> str:
    """As the recorder's own system does it, with its trace."""
    system.registry.http.headers.update(traces.header)
    try:
        return str(system.registry.record(unit, post, who)["id"])
    finally:
        del system.registry.http.headers["traceparent"]


def test_one_trace_goes_from_the_request_to_the_code_at_the_carrier_and_its_receipt(
    system: System, traces: Traces, unit: str, appointee: Appointee
) -> None:
    record(system, traces, unit, "president", appointee)
    system.phones.sms(appointee, "/c/")
    delivered = traces.here("deliver sms")
    until(lambda: len(traces.ancestry(delivered)) == 6, "every span on the way has arrived")
    assert traces.ancestry(delivered) == [
        "deliver sms",
        "process notifier.urgent",
        "send notifier.urgent",
        "process registry.appointments",
        "send registry.appointments",
        "POST /v1/appointments",
    ]
    assert (delivered.attributes["boothline.provider"], delivered.attributes["boothline.lane"]) == ("twilio", "urgent")
    for name, service in (
        ("POST /v1/appointments", "registry"),
        ("process registry.appointments", "otp"),
        ("send otp.challenges", "otp"),
        ("send notifier.deliveries", "notifier"),
        ("process notifier.deliveries", "registry"),
        ("process notifier.deliveries", "otp"),
    ):
        span = traces.here(name, service)
        assert not span.failed
        if name.startswith(("send", "process")):
            verb, topic = name.split()
            assert span.attributes["messaging.operation.name"] == verb
            assert span.attributes["messaging.destination.name"] == topic
    receipt = traces.linked("POST /twilio/status/{message_id}")
    assert receipt.parent == ""


def test_the_persons_act_is_a_trace_of_its_own_up_to_the_open_page(
    system: System, traces: Traces, unit: str, appointee: Appointee
) -> None:
    appointment = record(system, traces, unit, "secretary", appointee)
    sms = system.phones.sms(appointee, "/c/")
    system.registry.until_delivered(appointment)  # its push must not come together with the other one's
    with watching(system, appointment) as seen:
        ConfirmPage.of(sms).confirm(code_in(sms))
        until(lambda: b"verified" in seen(), "the open page is told")
    clicked, confirmed = traces.linked("GET /c/{handle}"), traces.linked("POST /c/{handle}")
    assert confirmed.parent == clicked.parent == ""
    assert len({confirmed.trace, clicked.trace, traces.trace}) == 3
    pushed = traces.find("push live", lambda span: span.trace == confirmed.trace)
    until(lambda: len(traces.ancestry(pushed)) == 4, "every span on the way has arrived")
    assert traces.ancestry(pushed) == [
        "push live",
        "process otp.challenges",
        "send otp.challenges",
        "POST /c/{handle}",
    ]
    assert pushed.service == "registry"


@pytest.mark.parametrize("way", ["sms", "telegram"])
def test_a_reply_is_linked_to_the_invitation_that_it_answers(
    system: System, traces: Traces, unit: str, appointee: Appointee, way: str
) -> None:
    appointment = record(system, traces, unit, "bla2", appointee)
    sms = system.phones.sms(appointee, "/c/")
    if way == "sms":
        system.phones.do(appointee, "reply", text=code_in(sms))
    else:
        system.phones.do(appointee, "start", payload=handle_in(sms))
        asked = system.phones.message(appointee)
        system.phones.do(appointee, "contact", kind="own")
        tap_first(system, appointee, asked["seq"])
    system.registry.until_state(appointment, "verified")
    judged = traces.linked("process notifier.replies")
    until(lambda: len(traces.ancestry(judged)) == 3, "every span on the way has arrived")
    begins = {"sms": "POST /twilio/inbound", "telegram": "handle update"}[way]
    assert traces.ancestry(judged) == ["process notifier.replies", "send notifier.replies", begins]
    assert judged.trace != traces.trace


def test_each_announcement_is_a_trace_of_its_own_linked_to_the_confirmation(
    system: System, traces: Traces, unit: str, appointee: Appointee
) -> None:
    members = [Appointee(appointee.number + 900_000), Appointee(appointee.number + 910_000)]
    for member in members:
        system.phones.add(member, telegram=False)
        body = {"name": member.name, "phone": member.phone, "language": "hi"}
        assert system.registry.http.post(f"/v1/units/{unit}/subscriptions", json=body).is_success
    record(system, traces, unit, "member", appointee)
    sms = system.phones.sms(appointee, "/c/")
    ConfirmPage.of(sms).confirm(code_in(sms))
    for member in members:
        system.phones.sms(member, "सदस्य")
    confirmed = traces.linked("POST /c/{handle}").trace

    def announced() -> list[Recorded]:
        spans = system.collector.spans
        begun = {s.trace for s in spans if s.name == "send notifier.bulk" and confirmed in {t for t, _ in s.links}}
        return [span for span in spans if span.name == "deliver sms" and span.trace in begun]

    until(lambda: len(announced()) == 2, "both announcements are recorded")
    assert len({span.trace for span in announced()} | {confirmed, traces.trace}) == 4


def test_each_row_of_an_import_is_a_trace_of_its_own_linked_to_the_import(
    system: System, traces: Traces, unit: str, appointee: Appointee
) -> None:
    second = Appointee(appointee.number + 920_000)
    system.phones.add(second)
    rows = [
        f"{unit},{post},{who.name['hi']},{who.name['en']},{who.phone},1,hi"
        for post, who in (("panna", appointee), ("mkb", second))
    ]
    table = "\n".join(["unit,post,name_hi,name_en,phone,notice_version,notice_language", *rows])
    started = system.registry.http.post("/v1/imports/appointments", content=table.encode(), headers=traces.header)
    assert started.status_code == 202, started.text
    asked = {system.phones.sms(who, "/c/")["seq"] for who in (appointee, second)}
    assert len(asked) == 2

    def delivered() -> list[Recorded]:
        spans = system.collector.spans
        begun = {s.trace for s in spans if s.name == "import row" and traces.trace in {trace for trace, _ in s.links}}
        return [span for span in spans if span.name == "deliver sms" and span.trace in begun]

    until(lambda: len(delivered()) == 2, "both rows are recorded up to the carrier")
    assert len({span.trace for span in delivered()}) == 2


@contextmanager
def watching(system: System, appointment: str) -> Iterator[Callable[[], bytes]]:
    """The page of an appointment, open in a signed-in browser; gives what was pushed to it so far."""
    link = system.runner.run(system.sign_in())
    seen = bytearray()
    with (
        httpx.Client(base_url=system.services["registry"].url, timeout=PATIENCE) as browser,
        ThreadPoolExecutor(1) as thread,
    ):
        token = urlsplit(link).path.rpartition("/")[2]
        signed_in = browser.post("/sign-in", data={"token": token}, headers={"sec-fetch-site": "same-origin"})
        assert signed_in.status_code == 303, signed_in.text
        with browser.stream("GET", "/live", params={"appointment": appointment}) as stream:
            assert stream.status_code == 200

            def read() -> None:
                for chunk in stream.iter_raw():
                    seen.extend(chunk)
                    if b"verified" in seen:
                        return

            reading = thread.submit(read)
            yield lambda: bytes(seen)
            reading.result(PATIENCE)
