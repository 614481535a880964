"""Every rule that tools enforce fires on a planted violation: a rule that never fires protects nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)  # mypy has no cache in the copy

ROOT = Path(__file__).parents[3]
TOOLS = Path(sys.executable).parent

CONTRACTS = {
    "every service has the same layers, and no module stands outside them": (
        "services/otp/domain.py",
        "from services.otp import api\n",
    ),
    "services meet only in Kafka": ("services/otp/service.py", "import services.registry.domain\n"),
    "only the bus speaks Kafka": ("services/otp/store.py", "import aiokafka\n"),
    "rules and use cases import no framework": ("services/registry/domain.py", "import fastapi\n"),
    "shared knows no service": ("shared/ids.py", "import services.otp\n"),
    "the launcher starts services as processes and imports none of them": ("stack/ports.py", "import services.otp\n"),
}

BANNED = {
    "TID251": "import asyncio\n\n\nasync def start() -> None:\n    asyncio.create_task(asyncio.sleep(1))\n",
    "S311": "import random\n\nCODE = random.randint(0, 999_999)\n",
    "T201": "print('482107')\n",
    "DTZ005": "from datetime import datetime\n\nNOW = datetime.now()\n",
    "BLE001": "try:\n    pass\nexcept Exception:\n    LOST = True\n",
    "RUF006": "import asyncio\n\n\nasync def start() -> None:\n    asyncio.ensure_future(asyncio.sleep(1))\n",
    "G004": "import logging\n\nwho = 'x'\nlogging.getLogger(__name__).info(f'{who}')\n",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code and its rules, to be spoilt."""
    target = tmp_path_factory.mktemp("planted")
    for part in ("services", "shared", "stack"):
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / command[0], *command[1:]], cwd=cwd, capture_output=True, text=True, check=False)


def plant(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text if file.exists() else f'"""Planted."""\n{text}')


def test_the_import_contracts_catch_one_violation_each(copy: Path) -> None:
    for file, text in CONTRACTS.values():
        plant(copy / file, text)
    plant(copy / "services/otp/helpers.py", "")
    result = run("lint-imports", "--no-logo", "--no-cache", cwd=copy)
    assert result.returncode == 1, result.stdout + result.stderr
    kept = [name for name in CONTRACTS if f"{name} BROKEN" not in result.stdout]
    assert not kept, result.stdout
    assert "services.otp.helpers" in result.stdout, "a module outside the layers went unnoticed"


@pytest.mark.parametrize(("rule", "text"), BANNED.items(), ids=BANNED)
def test_the_linter_refuses(rule: str, text: str, copy: Path) -> None:
    plant(copy / f"shared/planted_{rule.lower()}.py", text)
    result = run("ruff", "check", "--output-format=concise", f"shared/planted_{rule.lower()}.py", cwd=copy)
    assert f" {rule} " in result.stdout, result.stdout


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def untyped(x):\n    return x\n", "no-untyped-def"),
        ("from shared import ids\n\nWRONG: int = ids.new_id()\n", "assignment"),
        ("from shared import ids\n\nFRESH = ids.new_id()  # type: ignore\n", "unused-ignore"),
    ],
)
def test_the_type_checker_refuses(text: str, error: str, copy: Path) -> None:
    plant(copy / "shared/planted.py", "")
    (copy / "shared/planted.py").write_text(f'"""Planted."""\n{text}')
    result = run("mypy", "shared/planted.py", cwd=copy)
    assert f"[{error}]" in result.stdout, result.stdout
