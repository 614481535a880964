"""The steps of the Dockerfile by hand: an image as a folder, without an engine."""

import fnmatch
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.unit.deploy.conftest import ROOT
from tests.unit.deploy.dockerfile import stages

_ENGINE = ("groupadd ",)
"""Steps that change the machine's users: only an engine can run them."""


class Image:
    """One final stage, built below `folder`: its file system, as far as the Dockerfile makes it."""

    def __init__(self, folder: Path, name: str, packages: Path) -> None:
        """`packages` is where /opt/boothline lies: a virtual environment does not move."""
        self.folder, self.name, self.packages = folder, name, packages
        self.app = folder / "app"
        self._paths = [str(Path(sys.executable).parent), "/usr/bin", "/bin"]

    @property
    def python(self) -> Path:
        """The interpreter that the image's PATH leads to."""
        return self.packages / "bin" / "python"

    def build(self) -> None:
        """Runs the stage and those that it starts from."""
        chain, start = [], self.name
        while start in stages():
            chain.append(start)
            start = stages()[start][0]
        for stage in reversed(chain):
            self._stage(stage)

    def _stage(self, stage: str) -> None:
        here = self.app
        for line in stages()[stage][1]:
            instruction, _, rest = line.partition(" ")
            if instruction == "WORKDIR":
                here = self.folder / rest.strip("/")
                here.mkdir(parents=True, exist_ok=True)
            elif instruction == "ENV" and rest.startswith("PATH=/opt/boothline/bin:"):
                self._paths.insert(0, str(self.packages / "bin"))
            elif instruction == "COPY" and not rest.startswith("--from"):
                *sources, target = rest.split()
                for source in sources:
                    _copy(ROOT / source, here / target, whole=target.endswith("/"))
            elif instruction == "RUN" and not rest.startswith(_ENGINE):
                self._run(rest, here)

    def _run(self, command: str, here: Path) -> None:
        # With pip's cache: what `make setup` fetched is not fetched again.
        script = command.replace("/opt/boothline", str(self.packages)).replace(" --no-cache-dir", "")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}  # noqa: TID251
        environment = kept | {"PATH": ":".join(self._paths), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            ["sh", "-euc", script], cwd=here, env=environment, capture_output=True, text=True, timeout=800, check=False
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}\n{done.stderr}"

    def files(self) -> set[str]:
        """What lies under /app, without compiled files."""
        paths = (path.relative_to(self.app) for path in self.app.rglob("*") if path.is_file())
        return {str(path) for path in paths if path.suffix != ".pyc"}


def _copy(source: Path, target: Path, *, whole: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=_ignored, dirs_exist_ok=True)
        return
    destination = target / source.name if whole else target
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, destination)


def _ignored(_: str, names: list[str]) -> list[str]:
    """What .dockerignore keeps from the builder inside a folder."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
