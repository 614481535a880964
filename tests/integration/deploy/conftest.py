"""Programs in Go that read our files as Docker Compose and kustomize do: built once, from pinned modules."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., subprocess.CompletedProcess[str]]


def _built(name: str, folder: Path) -> Program:
    go = shutil.which("go") or "go"
    program = folder / name
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off"}  # noqa: TID251
    done = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=Path(__file__).parent / name,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, arguments)]
        return subprocess.run(command, env={}, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def compose_check(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The compose specification's own parser."""
    return _built("compose_check", tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session")
def kustomize_build(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """What `kustomize build` runs."""
    return _built("kustomize_build", tmp_path_factory.mktemp("go"))
