"""Every image, built by hand from the steps of the Dockerfile, holds a service that starts, and nothing more."""

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from deploy.runtime_lock import read, runtime
from stack.services import DEFAULT_PORTS
from tests.integration.deploy.image import Image
from tests.unit.deploy.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

IMPORT_ALL = """
import importlib, pkgutil, sys
names = [name for root in sys.argv[1:] for name in [root, *(
    module.name for module in pkgutil.walk_packages(importlib.import_module(root).__path__, root + "."))]]
for name in names:
    if ".migrations" not in name and not name.endswith(".__main__"):
        importlib.import_module(name)
print(len(names))
"""
INSTALLED = (
    "import importlib.metadata as m, json; print(json.dumps(sorted(d.metadata['Name'] for d in m.distributions())))"
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stage `packages` makes."""
    folder = tmp_path_factory.mktemp("packages")
    image = Image(folder, "packages", folder / "opt" / "boothline")
    image.packages.parent.mkdir()
    image.build()
    return image.packages


@pytest.fixture(scope="module")
def built(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """Builds an image once."""

    @cache
    def build(name: str) -> Image:
        image = Image(tmp_path_factory.mktemp(name), name, packages)
        image.build()
        return image

    return build


def run(image: Image, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in the image, as the container would run it: nothing of this process's environment."""
    return subprocess.run(
        [str(image.python), *arguments],
        cwd=image.app,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


@pytest.mark.parametrize("name", DEFAULT_PORTS)
def test_every_module_of_an_image_can_be_imported(built: Callable[[str], Image], name: str) -> None:
    image = built(name)
    done = run(image, "-c", IMPORT_ALL, "shared", f"services.{name}")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


@pytest.mark.parametrize("name", DEFAULT_PORTS)
def test_a_service_starts_and_says_which_settings_it_lacks(built: Callable[[str], Image], name: str) -> None:
    done = run(built(name), "-m", f"services.{name}", **({"SANDBOX_HOST": "192.0.2.1"} if name == "sandbox" else {}))
    assert done.returncode == 1
    assert f"{name.upper()}_" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", DEFAULT_PORTS)
def test_an_image_holds_what_git_has_of_its_service_and_nothing_else(built: Callable[[str], Image], name: str) -> None:
    command = ["git", "ls-files", "shared", "services/__init__.py", f"services/{name}"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    untracked = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "shared", f"services/{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    deleted = {path for path in tracked if path and not (ROOT / path).exists()}
    assert built(name).files() == {"alive.py"} | {path for path in (*tracked, *untracked) if path} - deleted


@pytest.mark.parametrize("name", ["registry"])
def test_the_packages_are_those_of_the_lock_that_services_need(built: Callable[[str], Image], name: str) -> None:
    done = run(built(name), "-c", INSTALLED)
    requirements, lock = ((ROOT / f"requirements.{kind}").read_text(encoding="utf-8") for kind in ("in", "lock"))
    found = {package.lower().replace("_", "-").replace(".", "-") for package in json.loads(done.stdout)}
    assert found == set(read(runtime(requirements, lock)))


def test_sources_are_compiled_once_and_for_all(built: Callable[[str], Image]) -> None:
    image = built("otp")
    sources = {path for path in image.app.rglob("*.py") if path.stat().st_size}
    compiled = set(image.app.rglob("*.pyc"))
    assert len(compiled) >= len(sources)
    assert {path.read_bytes()[4:8] for path in compiled} == {b"\1\0\0\0"}  # PEP 552: by hash, not looked at again


def test_the_jobs_of_the_registry_image_say_what_they_lack(built: Callable[[str], Image]) -> None:
    image = built("registry")
    topics = run(image, "-m", "shared.bus", "topics")
    assert (topics.returncode, "TOPICS_KAFKA" in topics.stderr) == (1, True)
    migrate = run(image, "-m", "services.registry", "migrate")
    assert (migrate.returncode, "REGISTRY_DATABASE_URL" in migrate.stderr) == (1, True)


def test_the_image_of_secrets_writes_a_file_and_the_health_check_needs_nothing(built: Callable[[str], Image]) -> None:
    image = built("secrets")
    done = run(image, "-m", "stack.secrets_file")
    assert "REGISTRY_DATABASE_PASSWORD='" in done.stdout
    assert not any(path.startswith(("tests", "bench")) for path in image.files())
    shutil.rmtree(image.app / "shared")
    assert run(image, "-I", "-S", str(image.app / "alive.py"), "9").returncode == 1
