"""`boothline` as a script sees it: exit codes, JSON on stdout, sentences on stderr."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from services.console.app import web
from services.console.cli import client, watching
from services.console.cli.output import Exit
from services.console.service import Watch
from services.console.settings import ConsoleSettings
from shared import events
from shared.bus import DeadLetter, MemoryBroker, Outgoing, Place, Received
from shared.events.codec import Undecodable, encode
from shared.lifecycle import Tasks
from shared.telemetry import new_registry
from shared.web import serving

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ENDED = encode(
    events.AppointmentEnded(
        organisation_id=UUID(int=1), subject=UUID(int=2), version=3, at=NOW, cycle=1, reason="mistake"
    )
)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(lambda: NOW)


@pytest.fixture
async def console(broker: MemoryBroker) -> AsyncIterator[str]:
    """URL of a console over a broker in memory."""
    app = web(Watch(broker.reader(), lambda: NOW), ConsoleSettings(kafka="nowhere:1"), new_registry())
    async with Tasks() as tasks, serving(app, "127.0.0.1", 0, tasks) as port:
        yield f"http://127.0.0.1:{port}"


async def boothline(*arguments: str, **variables: str) -> Said:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.console.cli",
        *arguments,
        cwd=ROOT,
        env={"PATH": "", "NO_COLOR": "1", "COLUMNS": "200", "BOOTHLINE_ENDPOINTS": "/nowhere.json", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


def bury(broker: MemoryBroker) -> None:
    received = Received(Place("registry.appointments", 3), 7, NOW, b"k", b"\xff", ())
    dead = DeadLetter.of(received, Undecodable(part="value", problem="x"), group="otp", attempts=1, at=NOW)
    broker.append(dead.outgoing())


async def test_nothing_to_look_at_is_exit_code_0(console: str) -> None:
    lag = await boothline("lag", "--format", "json", BOOTHLINE_CONSOLE_URL=console)
    dead = await boothline("dead", "list", BOOTHLINE_CONSOLE_URL=console)
    assert (lag.code, dead.code) == (0, 0)
    assert json.loads(lag.out)["schema"] == "boothline.lag/1"
    assert (dead.out, dead.err.strip()) == ("", "There is no dead letter.")


async def test_something_to_look_at_is_exit_code_3(console: str, broker: MemoryBroker) -> None:
    broker.append(Outgoing(ENDED.topic, ENDED.key, ENDED.value, ENDED.headers))
    bury(broker)
    lag = await boothline("lag", "otp", "--format", "plain", BOOTHLINE_CONSOLE_URL=console)
    dead = await boothline("dead", "list", "--format", "json", BOOTHLINE_CONSOLE_URL=console)
    assert (lag.code, dead.code) == (3, 3)
    assert "otp\tregistry.appointments\t1\t0.0" in lag.out.splitlines()
    (row,) = json.loads(dead.out)["data"]
    shown = await boothline("dead", "show", row["latest"], BOOTHLINE_CONSOLE_URL=console)
    assert shown.code == 0
    assert "registry.appointments/3/7" in shown.out


async def test_what_is_not_there_is_exit_code_4_with_a_sentence(console: str) -> None:
    said = await boothline("dead", "show", "registry.appointments.dead/0/99", BOOTHLINE_CONSOLE_URL=console)
    assert (said.code, said.out) == (4, "")
    assert "no record at registry.appointments.dead/0/99" in said.err


async def test_a_wrong_word_is_exit_code_2(console: str) -> None:
    assert (await boothline("lags", BOOTHLINE_CONSOLE_URL=console)).code == 2
    assert (await boothline("lag", "--format", "xml", BOOTHLINE_CONSOLE_URL=console)).code == 2


async def test_nobody_there_is_exit_code_6_and_says_how_to_start() -> None:
    nobody = "http://127.0.0.1:1"  # no process of ours is given such a port
    for variables in ({}, {"BOOTHLINE_CONSOLE_URL": nobody}):
        said = await boothline("topics", **variables)
        assert said.code == 6
        assert "make up" in said.err


@pytest.fixture
async def registry() -> AsyncIterator[str]:
    """A registry as far as an import sees it: two rows are fine, one is not."""
    app = FastAPI()
    received: list[bytes] = []
    job = {"id": "7", "rows": 0, "accepted": 0, "rejected": 0, "bytes": 0, "total_bytes": 9, "problem": None}

    @app.post("/v1/imports/units", status_code=202)
    async def start(request: Request) -> dict[str, object]:
        assert request.headers["authorization"] == "Bearer key"
        received.append(await request.body())
        return {**job, "state": "running"}

    @app.get("/v1/imports/7")
    async def progress() -> dict[str, object]:
        assert received == [b"a,b\n1,2\n"]
        return {**job, "state": "done", "rows": 3, "accepted": 2, "rejected": 1}

    @app.get("/v1/imports/7/rejects.csv")
    async def rejects() -> str:
        return "row"

    async with Tasks() as tasks, serving(app, "127.0.0.1", 0, tasks) as port:
        yield f"http://127.0.0.1:{port}"


async def test_an_import_with_rejected_rows_is_exit_code_7_and_keeps_them(registry: str, tmp_path: Path) -> None:
    file, rejects = tmp_path / "units.csv", tmp_path / "rejects.csv"
    file.write_text("a,b\n1,2\n")
    said = await boothline(
        "units", "import", str(file), "--preset", "p", "--rejects", str(rejects),
        BOOTHLINE_REGISTRY_URL=registry, BOOTHLINE_API_KEY="key",
    )  # fmt: skip
    assert said.code == 7, said.err
    assert "2 accepted, 1 rejected" in said.err
    assert rejects.read_text() == '"row"'
    assert "key" not in said.err.replace("--rejects", "")


async def test_a_tail_outlives_silence_and_says_when_the_console_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet_for = 0.3  # longer than any other answer may take here
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.1)
    app = FastAPI()

    async def rows() -> AsyncIterator[bytes]:
        await asyncio.sleep(quiet_for)
        yield b'{"skipped": 1}\n'
        raise ConnectionResetError

    @app.get("/v1/tail")
    async def follow() -> StreamingResponse:
        return StreamingResponse(rows())

    async with Tasks() as tasks, serving(app, "127.0.0.1", 0, tasks) as port:
        monkeypatch.setenv("BOOTHLINE_CONSOLE_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(client.Problem) as problem:
            await watching.tail(form="json")
    assert problem.value.code == Exit.UNREACHABLE
    assert capsys.readouterr().out.splitlines()[0] == '{"skipped":1}'  # what crashes here is told there, too


async def test_a_tail_is_one_json_object_a_line(console: str, broker: MemoryBroker) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.console.cli", "tail", "--format", "json",
        cwd=ROOT, env={"PATH": "", "BOOTHLINE_CONSOLE_URL": console},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            reading = asyncio.Task(process.stdout.readline())
            while not reading.done():
                broker.append(Outgoing(ENDED.topic, ENDED.key, ENDED.value, ENDED.headers))
                await asyncio.wait({reading}, timeout=0.2)
        assert json.loads(reading.result())["event"] == "appointment.ended.v1"
    finally:
        process.terminate()
        await process.wait()


async def test_the_rights_of_every_service_are_printed_without_asking_anybody() -> None:
    script, document, users = (
        await boothline("topics", "acls"),
        await boothline("topics", "acls", "--json"),
        await boothline("topics", "acls", "--strimzi", "--cluster", "prod"),
    )
    assert [said.code for said in (script, document, users)] == [Exit.FINE] * 3
    assert script.out.startswith("#!/bin/sh\n")
    assert "--allow-principal 'User:otp' --operation Read --group 'otp'" in script.out
    rows = json.loads(document.out)["data"]
    assert {"principal": "console", "resource": "group", "name": "otp", "operation": "Describe"} in rows
    assert users.out.count("kind: KafkaUser") == 5
    assert "strimzi.io/cluster: prod" in users.out


@pytest.mark.parametrize("verb", ["apply", "check"])
async def test_topics_are_asked_of_the_cluster_itself(verb: str) -> None:
    said = await boothline("topics", verb, "--kafka", "127.0.0.1:1")
    assert (said.code, said.out) == (Exit.FAILED, "")
    assert "does not answer" in said.err
