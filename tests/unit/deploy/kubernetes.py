"""The manifests of deploy/kubernetes as data, and what they are checked against."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.unit.deploy.conftest import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = "1.34.0"
"""`lifecycle.preStop.sleep`, which we use, is stable since."""
CRDS = {"ScaledObject": "scaledobject", "ServiceMonitor": "servicemonitor"}

Manifest = dict[str, Any]


def documents(path: Path) -> Iterator[Manifest]:
    """The resources in a file, or in all files of a folder and those below it."""
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    for file in files:
        if file.name != "kustomization.yaml":
            yield from _read(file)


@cache
def _read(file: Path) -> tuple[Manifest, ...]:
    return tuple(yaml.safe_load_all(file.read_text(encoding="utf-8")))


@cache
def base(kind: str) -> dict[str, Manifest]:
    """Resources of the base of one kind by name."""
    return {found["metadata"]["name"]: found for found in documents(FOLDER / "base") if found["kind"] == kind}


def kustomization(folder: str) -> Manifest:
    """A kustomization.yaml below deploy/kubernetes."""
    found: Manifest = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return found


def settings(service: str, *folders: str) -> dict[str, str]:
    """The variables of a service's ConfigMap, as the generators of these folders add to each other."""
    generators = [entry for folder in folders for entry in kustomization(folder)["configMapGenerator"]]
    literals = [line for entry in generators if entry["name"] == f"{service}-settings" for line in entry["literals"]]
    return dict(line.split("=", 1) for line in literals)


def check(manifest: Manifest) -> None:
    """Raises ValidationError when Kubernetes, KEDA or the Prometheus operator would not know a field, or its type."""
    name = CRDS.get(manifest["kind"])
    if name is None:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    else:
        schema = json.loads((Path(__file__).parent / "crds" / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.validate(manifest, strict(schema))


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a custom resource, refusing what it does not name; metadata is Kubernetes' own."""
    closed = copy.deepcopy(schema)
    stack: list[Any] = [closed]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if "properties" in part and not part.get("x-kubernetes-preserve-unknown-fields"):
                part.setdefault("additionalProperties", False)
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
    closed["properties"]["metadata"] = {"type": "object"}
    return closed
