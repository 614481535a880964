"""What the test run itself promises: browser tests are left out with a hint, and CI accepts no skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
BROWSER = "import pytest\n@pytest.mark.browser\ndef test_page(): assert True\ndef test_other(): assert True\n"
SKIPPED = "import pytest\n@pytest.mark.skip(reason='later')\ndef test_page(): pass\n"


def run(folder: Path, source: str, *options: str, chromium: str = "/nowhere/chromium") -> tuple[int, str]:
    """Exit code and output of a run of one file with our conftest."""
    file = folder / "test_made_up.py"
    file.write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml", "--rootdir", "."]
    done = subprocess.run(
        [*command, *options, "-p", "no:cacheprovider", file],
        cwd=CHECKOUT,
        env={"PATH": os.defpath, "TEST_CHROMIUM": chromium},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_without_chromium_the_last_lines_say_what_was_left_out_and_the_one_command(tmp_path: Path) -> None:
    code, said = run(tmp_path, BROWSER)
    assert code == 0
    assert "1 passed, 1 skipped" in said
    last = said.splitlines()[-1]
    assert last.startswith("1 tests were left out. Chromium is missing: apt-get install -y chromium")


@pytest.mark.parametrize(("options", "chromium"), [(["--no-skips"], "/nowhere/chromium"), ([], sys.executable)])
def test_in_ci_and_with_chromium_browser_tests_run(tmp_path: Path, options: list[str], chromium: str) -> None:
    code, said = run(tmp_path, BROWSER, *options, chromium=chromium)
    assert (code, "2 passed" in said) == (0, True)


def test_in_ci_a_skipped_test_fails_the_run(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPED)[0] == 0
    assert run(tmp_path, SKIPPED, "--no-skips")[0] == 1
