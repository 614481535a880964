"""`make setup` says in a sentence what a machine lacks."""

import os
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def setup(tmp_path: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Runs stack/setup.sh in a copy that has nothing else, with only these programs (shell scripts) and coreutils."""
    (tmp_path / "copy" / "stack").mkdir(parents=True)
    shutil.copy(CHECKOUT / "stack" / "setup.sh", tmp_path / "copy" / "stack")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "rm", "touch"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    for name, text in programs.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        (tools / name).chmod(0o755)
    return subprocess.run(
        [tools / "sh", "stack/setup.sh"],
        cwd=tmp_path / "copy",
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_at_all(tmp_path: Path) -> None:
    done = setup(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Boothline needs Python 3.11 or newer, and none was found. On Debian or Ubuntu: apt-get"
    )


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    done = setup(tmp_path, python3="exit 1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Python 3.11 or newer" in done.stderr


def test_no_venv_module(tmp_path: Path) -> None:
    done = setup(tmp_path, python3='case "$2" in *ensurepip*) exit 1;; esac')
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "apt-get install python3-venv" in done.stderr


def test_a_machine_without_wheels(tmp_path: Path) -> None:
    done = setup(tmp_path, python3='case "$2" in *machine*) echo Linux riscv64;; esac')
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Linux on x86_64 and aarch64 only; this is Linux riscv64" in done.stderr


def test_packages_that_cannot_be_installed(tmp_path: Path) -> None:
    pip = "mkdir -p .venv/bin; printf '#!/bin/sh\\n[ \"$1\" = -c ]\\n' > .venv/bin/python; chmod +x .venv/bin/python"
    answers = f'case "$2" in *machine*) echo Linux x86_64;; venv) {pip};; esac'
    done = setup(
        tmp_path,
        mkdir=f'exec {shutil.which("mkdir")} "$@"',
        chmod=f'exec {shutil.which("chmod")} "$@"',
        python3=f'{answers}; [ "$1" = -V ] && echo Python 3.11.2; exit 0',
    )
    assert done.returncode == 1
    assert "a package has no wheel for Python 3.11.2 on Linux x86_64." in done.stderr
    assert not (tmp_path / "copy" / ".venv" / ".ready").exists()


def test_the_help_lists_every_command() -> None:
    said = subprocess.run(
        ["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True, env={"PATH": os.defpath}
    )
    for command in ("setup", "demo", "up", "test", "check", "fixture"):
        assert f"make {command} " in said.stdout
