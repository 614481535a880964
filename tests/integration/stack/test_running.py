"""What can be seen of a running installation, and what can be asked of it."""

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import errand
from stack.running import SIGN_IN
from tests.integration.stack.launching import PATIENCE, Launching, launching, stop

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def up() -> Iterator[tuple[Launching, subprocess.Popen[str]]]:
    """A running installation of fake services, for all tests here."""
    with launching() as at:
        process = at.up(prefix=("env", "SECRET_OF_THE_SHELL=1"))
        yield at, process
        stop(process)


def test_children_get_their_own_settings_and_nothing_of_ours(up: tuple[Launching, subprocess.Popen[str]]) -> None:
    log = up[0].run / "log" / "otp.log"
    expected = "['LANG', 'OTP_FAULT', 'OTP_PORT', 'PATH', 'PYTHONPATH', 'PYTHONUNBUFFERED']"
    assert expected in log.read_text(encoding="utf-8")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_second_start_from_the_same_checkout_gets_a_sentence(up: tuple[Launching, subprocess.Popen[str]]) -> None:
    at, process = up
    said, _ = at.launch().communicate(timeout=PATIENCE)
    assert f"running already from this checkout (process {process.pid})" in said
    assert "Traceback" not in said
    assert process.poll() is None


def test_another_sign_in_link_can_be_had_while_it_runs(up: tuple[Launching, subprocess.Popen[str]]) -> None:
    left = up[0].run / SIGN_IN
    assert errand.run(left) == "http://127.0.0.1/again\n"
    assert stat.S_IMODE(left.stat().st_mode) == 0o600


def test_nothing_running_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errand.NothingRuns, match="make demo"):
        errand.run(tmp_path / SIGN_IN)
