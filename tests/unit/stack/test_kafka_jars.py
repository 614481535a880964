"""Fetching Apache Kafka: once, completely, and with a sentence where something is missing."""

import sys
from pathlib import Path

import pytest

from stack.kafka import KafkaMissing, fetched

_MAVEN = """#!/bin/sh
echo called >> "$(dirname "$0")/calls"
for argument in "$@"; do case $argument in -DoutputDirectory=*) folder=${argument#*=};; esac; done
mkdir -p "$folder" && echo server > "$folder/kafka.jar" && echo clients > "$folder/clients.jar"
"""


@pytest.fixture
def maven(tmp_path: Path) -> Path:
    return _program(tmp_path / "mvn", _MAVEN)


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def _fetched(tmp_path: Path, maven: Path | str) -> tuple[str, ...]:
    jars = fetched(tmp_path / "cache" / "kafka-1.2.3", java=sys.executable, maven=str(maven))
    return tuple(Path(jar).name for jar in jars.class_path.split(":"))


def _calls(tmp_path: Path) -> int:
    return len((tmp_path / "calls").read_text().splitlines())


def test_what_was_fetched_once_needs_no_maven_again(tmp_path: Path, maven: Path) -> None:
    assert _fetched(tmp_path, maven) == ("clients.jar", "kafka.jar")
    assert _fetched(tmp_path, "no-such-maven") == ("clients.jar", "kafka.jar")
    assert _calls(tmp_path) == 1


@pytest.mark.parametrize("damage", ["missing", "cut short", "no stamp"])
def test_what_is_not_complete_is_fetched_again(tmp_path: Path, maven: Path, damage: str) -> None:
    _fetched(tmp_path, maven)
    cache = tmp_path / "cache" / "kafka-1.2.3"
    if damage == "missing":
        (cache / "kafka.jar").unlink()
    elif damage == "cut short":
        (cache / "kafka.jar").write_text("se")
    else:
        (cache / "complete").unlink()
    assert _fetched(tmp_path, maven) == ("clients.jar", "kafka.jar")
    assert (cache / "kafka.jar").read_text() == "server\n"
    assert _calls(tmp_path) == 2


def test_a_missing_java_is_said_with_the_package_that_brings_it(tmp_path: Path, maven: Path) -> None:
    with pytest.raises(KafkaMissing, match=r"Java 17 .* apt-get install default-jre-headless"):
        fetched(tmp_path / "cache", java="no-such-java", maven=str(maven))


def test_a_missing_maven_is_said_with_the_package_that_brings_it(tmp_path: Path) -> None:
    with pytest.raises(KafkaMissing, match=r"fetched by Maven, and there is none.* apt-get install maven"):
        _fetched(tmp_path, "no-such-maven")


def test_what_maven_says_when_it_fails_is_said_and_nothing_counts_as_fetched(tmp_path: Path, maven: Path) -> None:
    failing = _program(tmp_path / "failing", "#!/bin/sh\necho 'repository cannot be reached'; exit 1\n")
    with pytest.raises(KafkaMissing, match=r"could not fetch Apache Kafka .*:\nrepository cannot be reached"):
        _fetched(tmp_path, failing)
    assert _fetched(tmp_path, maven) == ("clients.jar", "kafka.jar")
