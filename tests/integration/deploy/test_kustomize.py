"""The example overlay, built as `kustomize build` does, fits the schemas and gives each service its settings."""

import base64
import shutil
from pathlib import Path

import pytest
import yaml

from stack.kubernetes_secrets import write
from tests.integration.deploy.conftest import Program
from tests.unit.deploy.kubernetes import FOLDER, Manifest, check
from tests.unit.deploy.test_compose import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.go]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/kubernetes with what an operator adds to the example overlay."""
    copy = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("secrets", "ca.pem"))
    overlay = copy / "overlays" / "one-state"
    write(overlay / "secrets")
    (overlay / "ca.pem").write_text("made up\n", encoding="ascii")
    notifier = overlay / "secrets" / "notifier.env"
    filled = [
        line + "+15005550006" if line.endswith("=") else line for line in notifier.read_text("ascii").splitlines()
    ]
    notifier.write_text("\n".join(filled) + "\n", encoding="ascii")
    return copy


@pytest.fixture(scope="module")
def built(kustomize_build: Program, folder: Path) -> list[Manifest]:
    done = kustomize_build(folder / "overlays" / "one-state")
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def named(built: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {found["metadata"]["name"]: found for found in built if found["kind"] == kind}


def test_everything_that_is_built_fits_the_schemas(built: list[Manifest]) -> None:
    kinds = {found["kind"] for found in built}
    assert {"Deployment", "Job", "NetworkPolicy", "ScaledObject", "ServiceMonitor", "Ingress", "Secret"} <= kinds
    for manifest in built:
        check(manifest)
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "boothline"


def test_every_pod_finds_its_settings_and_secrets(built: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    maps, secrets = named(built, "ConfigMap"), named(built, "Secret")
    for name, manifest in named(built, "Deployment").items():
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        passed: dict[str, str] = {}
        for source in container["envFrom"]:
            if "configMapRef" in source:
                passed |= maps[source["configMapRef"]["name"]]["data"]
            else:
                data = secrets[source["secretRef"]["name"]]["data"]
                passed |= {key: base64.b64decode(value).decode() for key, value in data.items()}
        passed[f"{name.upper()}_KAFKA_CA_FILE"] = "system"
        for variable, value in passed.items():
            monkeypatch.setenv(variable, value)
        SETTINGS[name]()
        volumes = manifest["spec"]["template"]["spec"]["volumes"]
        assert next(found["configMap"]["name"] for found in volumes if "configMap" in found) in maps


def test_a_setting_that_changes_replaces_the_pods(
    kustomize_build: Program, folder: Path, built: list[Manifest]
) -> None:
    file = folder / "overlays" / "one-state" / "kustomization.yaml"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace("NOTIFIER_SMS_PER_SECOND=100", "NOTIFIER_SMS_PER_SECOND=50"), encoding="utf-8")
    done = kustomize_build(folder / "overlays" / "one-state")
    file.write_text(before, encoding="utf-8")
    old, new = (named(found, "Deployment") for found in (built, list(yaml.safe_load_all(done.stdout))))
    changed = {name for name in old if old[name] != new[name]}
    assert changed == {"notifier"}


def test_images_come_from_the_overlays_registry_with_the_bases_version(built: list[Manifest]) -> None:
    for manifest in [*named(built, "Deployment").values(), *named(built, "Job").values()]:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        assert container["image"].startswith("images.example.org/boothline-")
        assert container["image"].endswith(":0.1.0")


def test_keda_owns_the_replicas_of_what_it_scales(built: list[Manifest]) -> None:
    fixed = {name: manifest["spec"].get("replicas") for name, manifest in named(built, "Deployment").items()}
    assert fixed == {"registry": None, "otp": None, "notifier": 2, "console": 1}
    for name, manifest in named(built, "ScaledObject").items():
        assert manifest["spec"]["scaleTargetRef"]["name"] == name


def test_a_misspelt_file_is_refused(kustomize_build: Program, folder: Path) -> None:
    file = folder / "base" / "kustomization.yaml"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace("configMapGenerator:", "configMapGenerater:"), encoding="utf-8")
    done = kustomize_build(folder / "base")
    file.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    assert "configMapGenerater" in done.stderr
