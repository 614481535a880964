"""The launcher and the services' settings stay in step."""

import ast
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.embedded import Servers
from stack.keys import make_keys
from stack.services import DEFAULT_PORTS, System, boothline

ROOT = Path(__file__).resolve().parents[3]
SERVERS = Servers(
    postgres_admin="postgresql://postgres:admin-secret@127.0.0.1:1/postgres",
    database_urls=(("registry", "postgresql://registry:r@127.0.0.1:1/registry"), ("notifier", "postgresql://n:n@h/n")),
    valkey_url="redis://:v@127.0.0.1:2",
    kafka="127.0.0.1:3",
    cluster_id="c",
)


@pytest.fixture
def system() -> System:
    """The system as the launcher would start it."""
    return boothline(SERVERS, DEFAULT_PORTS, keys=make_keys(), ephemeral=True, log_level="info")


def declared(service: str) -> dict[str, bool]:
    """The variables of a service's settings as its source and shared/settings.py declare them: name to "required"."""
    classes: dict[str, ast.ClassDef] = {}
    for path in (ROOT / "shared" / "settings.py", ROOT / "services" / service / "settings.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                classes[node.name] = node
    final = [node for node in classes.values() if _prefix(node)]
    assert [_prefix(node) for node in final] == [f"{service.upper()}_"]
    fields: dict[str, bool] = {}
    for node in _lineage(final[0], classes):
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                fields[f"{service}_{statement.target.id}".upper()] = _required(statement.value)
    return fields


def _lineage(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """The class and all that it inherits from, bases first, so that the nearest declaration comes last."""
    for base in reversed(node.bases):
        assert isinstance(base, ast.Name)
        if base.id in classes:
            yield from _lineage(classes[base.id], classes)
    yield node


def _prefix(node: ast.ClassDef) -> str:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            call = statement.value
            if (
                isinstance(call.func, ast.Name)
                and call.func.id == "settings_of"
                and isinstance(call.args[0], ast.Constant)
            ):
                return str(call.args[0].value)
    return ""


def _required(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):  # Field(...) without a default
        names = {keyword.arg for keyword in value.keywords}
        return not (value.args or names & {"default", "default_factory"})
    return value is None


@pytest.mark.parametrize("name", sorted(DEFAULT_PORTS))
def test_every_setting_that_is_passed_exists_and_every_required_one_is_passed(system: System, name: str) -> None:
    passed = set(next(service for service in system.services if service.name == name).environment)
    known = declared(name)
    assert passed - set(known) == set()
    assert {variable for variable, required in known.items() if required} - passed == set()


def test_nobody_gets_the_administrators_password(system: System) -> None:
    environments = [service.environment for service in system.services]
    assert not any("admin-secret" in value for environment in environments for value in environment.values())


def test_the_key_of_phones_is_held_by_registry_and_notifier_only(system: System) -> None:
    holders = {s.name for s in system.services if any("FINGERPRINT" in name for name in s.environment)}
    assert holders == {"registry", "notifier"}


def test_a_services_seal_key_belongs_to_its_public_key(system: System) -> None:
    from nacl.public import PrivateKey  # noqa: PLC0415

    for service in system.services:
        prefix = service.name.upper()
        if f"{prefix}_SEAL_KEY" in service.environment:
            kid, _, key = service.environment[f"{prefix}_SEAL_KEY"].partition(":")
            peers = json.loads(service.environment[f"{prefix}_SEAL_PEERS"])
            assert b64decode(peers[f"{service.name}/{kid}"]) == bytes(PrivateKey(b64decode(key)).public_key)


def test_two_installations_share_no_secret() -> None:
    first, second = (vars(make_keys()) for _ in range(2))
    assert all(first[name] != second[name] for name in first)
    assert "seal=" not in repr(make_keys())
