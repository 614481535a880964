"""Fresh secrets for an overlay: a file for each service, for its owner only, and the same keys where two need them."""

from pathlib import Path

import pytest

from stack import cli
from stack.kubernetes_secrets import write, written
from stack.secrets_file import FileExists


def values(service: str, files: dict[str, str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in files[service].splitlines())


def test_only_their_owner_reads_them(tmp_path: Path) -> None:
    assert cli.secrets(kubernetes=tmp_path / "secrets") == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    files = sorted((tmp_path / "secrets").iterdir())
    assert [file.name for file in files] == [f"{name}.env" for name in sorted(written())]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileExists, match="Move it away"):
        write(tmp_path)
    assert [*tmp_path.iterdir()] == []
    assert cli.secrets(kubernetes=tmp_path) == 1


def test_services_share_what_they_must_and_nothing_else() -> None:
    files = written()
    registry, notifier, otp = (values(name, files) for name in ("registry", "notifier", "otp"))
    assert registry["REGISTRY_FINGERPRINT_KEYS"] == notifier["NOTIFIER_FINGERPRINT_KEYS"]
    assert registry["REGISTRY_SEAL_PEERS"] == notifier["NOTIFIER_SEAL_PEERS"] == otp["OTP_SEAL_PEERS"]
    assert "OTP_FINGERPRINT_KEYS" not in otp
    seals = {registry["REGISTRY_SEAL_KEY"], notifier["NOTIFIER_SEAL_KEY"], otp["OTP_SEAL_KEY"]}
    assert len(seals) == 3


def test_two_writings_share_nothing() -> None:
    first, second = written(), written()
    for name in first:
        old, new = values(name, first), values(name, second)
        assert {key for key, value in old.items() if value and value == new[key]} == set()
