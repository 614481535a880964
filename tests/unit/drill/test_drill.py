"""The made-up state, the world outside, and what counts as growing; no I/O."""

import csv
import io
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import pytest

from stack.audit.reading.carrier import arrived_of, phone_hash
from stack.drill.outside.carrier import Carrier, answer, content_length
from stack.drill.outside.texts import CODE, LINK, Way, hidden, way_of
from stack.drill.sampling import RSS_LIMIT, Lag, Sample, Series, grows, problems
from stack.drill.state import COLUMNS, POSTS, STATE, appointment_files, size_of, unit_files
from stack.fixture import Size


def test_the_whole_state_has_780180_appointments() -> None:
    assert size_of(1, 1).booths * len(POSTS) == STATE * 12 == 780_180
    assert size_of(0.00001, 1).booths == 1


def test_every_seat_of_every_booth_is_in_one_file_with_a_phone_of_its_own() -> None:
    files = list(appointment_files(Size(5), 2))
    assert [rows for rows, _ in files] == [24, 24, 12]
    rows = [row for _, file in files for row in csv.DictReader(io.StringIO(file.decode()))]
    assert tuple(rows[0]) == COLUMNS
    assert len({row["phone"] for row in rows}) == len({row["external_ref"] for row in rows}) == 60
    assert all(row["phone"].startswith("+91555") for row in rows)
    assert set(Counter(row["unit"] for row in rows).values()) == {12}


def test_lists_of_units_hold_every_booth_once() -> None:
    rows = [row for file in unit_files(Size(7), 3) for row in csv.DictReader(io.StringIO(file.decode()))]
    assert len(rows) == len({(row["ac_no"], row["part_no"]) for row in rows}) == 7


def test_as_many_answer_as_are_asked_to_half_on_the_page_half_by_reply() -> None:
    drawn = Counter(way_of(f"+91555{n:07}", 0.5, 1) for n in range(4_000))
    assert 900 < drawn[Way.PAGE] < 1_100
    assert 900 < drawn[Way.REPLY] < 1_100
    assert way_of("+915550000001", 0.0, 1) is None
    assert way_of("+915550000001", 1.0, 1) == way_of("+915550000001", 1.0, 1) is not None


def test_hidden_fields_are_found_in_a_page() -> None:
    page = '<form><input type="hidden" name="request" value="a1"><input name="code"></form>'
    assert hidden(page) == {"request": "a1"}


def carrier(file: io.StringIO) -> tuple[Carrier, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    return Carrier("AC1", file, lambda number, text: told.append((number, text))), told


def sms(number: str = "+915550000001", text: str = "http://127.0.0.1:8200/c/abc 123456") -> bytes:
    callback = "http://127.0.0.1:8300/twilio/status/0190-aa?try=2"
    return urlencode({"To": number, "From": "x", "Body": text, "StatusCallback": callback}).encode()


def test_the_carrier_takes_a_message_writes_one_line_and_tells_the_phone() -> None:
    file = io.StringIO()
    taking, told = carrier(file)
    said = answer(taking, "POST", "/2010-04-01/Accounts/AC1/Messages.json", sms())
    assert said.startswith(b"HTTP/1.1 201 ")
    arrived = arrived_of(file.getvalue())
    assert (arrived.message, arrived.attempt, arrived.phone) == ("0190-aa", 2, phone_hash("+915550000001"))
    assert "+91555" not in file.getvalue(), "no number stands in the file"
    assert [(CODE.findall(text), bool(LINK.search(text))) for _, text in told] == [(["123456"], True)]
    assert taking.said()["messages"] == 1


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/ready", b"200"), ("GET", "/nowhere", b"404")])
def test_the_carrier_answers_what_it_knows(method: str, path: str, status: bytes) -> None:
    assert answer(carrier(io.StringIO())[0], method, path, b"").split()[1] == status


def test_the_length_of_a_body_is_read_from_its_head() -> None:
    assert content_length(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12") == 12
    assert content_length(b"GET / HTTP/1.1\r\nHost: x") == 0


def series(*memory: float, process: str = "otp") -> Series:
    return Series([Sample(float(n), process, n * 0.1, rss) for n, rss in enumerate(memory)])


def test_a_process_that_is_warm_and_stays_so_does_not_grow() -> None:
    assert not grows(series(50, 80, 90, 91, 92, 92, 92, 93, 92).samples)


def test_a_process_whose_memory_goes_up_to_the_end_grows() -> None:
    rising = series(*range(50, 230, 10))
    assert grows(rising.samples)
    assert any("otp grows" in problem for problem in problems(rising))


def test_a_store_may_keep_what_it_is_given() -> None:
    assert list(problems(series(*range(50, 900, 50), process="valkey"))) == []


def test_a_process_above_the_limit_and_a_group_left_behind_are_said() -> None:
    found = series(RSS_LIMIT + 1, RSS_LIMIT + 1, RSS_LIMIT + 1)
    found.lags = [Lag(0.0, "registry", 500), Lag(9.0, "registry", 3)]
    assert len(list(problems(found))) == 2


def test_the_lag_is_told_at_evenly_spread_moments_with_the_last() -> None:
    found = Series(lags=[Lag(float(n), "otp", 100 - n) for n in range(100)])
    told = found.lag_at(5)
    assert [at for at, _ in told] == [0.0, 25.0, 50.0, 74.0, 99.0]
    assert told[-1][1] == {"otp": 1}


def test_cpu_is_what_was_used_between_the_first_and_the_last_sample(tmp_path: Path) -> None:
    assert series(1, 1, 1).cpu("otp") == pytest.approx(0.2)
    assert series().cpu("otp") == 0.0
