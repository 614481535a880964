"""A fresh .env holds every secret that compose asks for, new each time and for its owner only."""

from pathlib import Path

import pytest

from stack import cli
from stack.secrets_file import FileExists, write, written
from stack.services import SENDER, TEST_NUMBER_PREFIX
from tests.unit.deploy.compose_file import dotenv, required
from tests.unit.deploy.conftest import ROOT, YOURS

FILES = "".join(
    (ROOT / name).read_text(encoding="utf-8") for name in ("docker-compose.yml", "docker-compose.secure.yml")
)
NEEDED = required(FILES)


def test_the_file_holds_everything_but_what_the_operator_knows() -> None:
    values = dotenv(written(sandbox=False))
    assert set(values) >= NEEDED
    assert {name for name in NEEDED if not values[name]} == set(YOURS)


def test_the_file_of_the_sandbox_is_complete() -> None:
    values = dotenv(written(sandbox=True))
    assert {name for name in NEEDED if not values.get(name)} == set()
    assert values["COMPOSE_PROFILES"] == "sandbox"
    assert values["TWILIO_FROM"] == SENDER
    assert values["TEST_NUMBER_PREFIXES"] == f'["{TEST_NUMBER_PREFIX}"]'


def test_nothing_in_it_is_without_use() -> None:
    names = set(dotenv(written(sandbox=True))) | set(dotenv(written(sandbox=False)))
    unknown = {name for name in names if f"${{{name}:" not in FILES and f"{name}:\n" not in FILES}
    assert unknown == {"COMPOSE_PROFILES"}


def test_two_files_share_no_secret() -> None:
    first, second = (dotenv(written(sandbox=False)) for _ in range(2))
    made = {
        name for name, value in first.items() if value and name not in {"NOTIFIER_TWILIO_TWO_WAY", "COMPOSE_PROFILES"}
    }
    assert len(made) > 10
    assert {name for name in made if first[name] == second[name]} == set()


def test_what_stands_in_a_url_needs_no_escaping() -> None:
    values = dotenv(written(sandbox=False))
    for name in ("REGISTRY_DATABASE_PASSWORD", "NOTIFIER_DATABASE_PASSWORD", "VALKEY_PASSWORD"):
        assert values[name].replace("-", "").replace("_", "").isalnum()


def test_kafkas_cluster_id_is_16_bytes_and_does_not_look_like_an_option() -> None:
    for _ in range(200):
        made = dotenv(written(sandbox=False))["KAFKA_CLUSTER_ID"]
        assert len(made) == 22
        assert made[0] != "-"


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    write(tmp_path / ".env", sandbox=False)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("precious", encoding="utf-8")
    with pytest.raises(FileExists, match="Move it away first"):
        write(tmp_path / ".env", sandbox=True)
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "precious"


def test_the_command_writes_it_and_says_so_when_it_may_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.secrets(tmp_path / ".env") == 0
    assert cli.secrets(tmp_path / ".env") == 1
    assert "exists" in capsys.readouterr().err.replace("\n", " ")


def test_git_does_not_take_it() -> None:
    assert "/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
