"""The manifests know what the code knows: ports, probes, settings, images, who talks to whom, how long a stop takes."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest

from shared.events.catalogue import GROUPS, TOPICS
from shared.events.rights import service_of
from shared.telemetry import new_registry
from shared.web import create_web
from stack.kubernetes_secrets import written
from stack.services import DEFAULT_PORTS
from tests.unit.deploy.conftest import ROOT
from tests.unit.deploy.kubernetes import FOLDER, Manifest, base, check, documents, kustomization, settings
from tests.unit.deploy.test_compose import EMBEDDED_ONLY, SETTINGS, Services, drained_after

SERVICES = ("registry", "otp", "notifier", "console")
JOBS = {"topics": "registry", "migrate-registry": "registry", "migrate-notifier": "notifier"}
"""Jobs, and the image that they run."""
OVERLAY = "overlays/one-state"


def pod(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return found


def container(manifest: Manifest) -> dict[str, Any]:
    (found,) = pod(manifest)["containers"]
    return dict(found)


def workloads() -> dict[str, Manifest]:
    return base("Deployment") | base("Job")


def everything() -> list[Manifest]:
    return [found for folder in ("base", "components") for found in documents(FOLDER / folder)]


@pytest.mark.parametrize("manifest", everything(), ids=lambda found: f"{found['kind']}-{found['metadata']['name']}")
def test_a_manifest_fits_the_schema(manifest: Manifest) -> None:
    check(manifest)


@pytest.mark.parametrize("kind", ["Deployment", "NetworkPolicy", "ScaledObject", "ServiceMonitor"])
def test_a_field_that_nobody_knows_is_refused(kind: str) -> None:
    wrong = copy.deepcopy(next(found for found in everything() if found["kind"] == kind))
    wrong["spec"]["resorces"] = {}
    with pytest.raises(jsonschema.ValidationError):
        check(wrong)


def test_a_field_of_a_wrong_type_is_refused() -> None:
    wrong = copy.deepcopy(next(found for found in everything() if found["kind"] == "ScaledObject"))
    wrong["spec"]["maxReplicaCount"] = "six"
    with pytest.raises(jsonschema.ValidationError):
        check(wrong)


def test_every_resource_is_part_of_a_kustomization() -> None:
    for kustomized in FOLDER.rglob("kustomization.yaml"):
        listed = set(kustomization(str(kustomized.parent.relative_to(FOLDER))).get("resources", ()))
        files = {file.name for file in kustomized.parent.glob("*.yaml")} - {"kustomization.yaml"}
        assert files <= listed


def test_services_and_jobs_are_those_of_compose() -> None:
    assert set(base("Deployment")) == set(SERVICES)
    assert set(base("Job")) == set(JOBS)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_and_probes_are_those_of_the_code(name: str) -> None:
    found = container(base("Deployment")[name])
    assert found["ports"] == [{"name": "http", "containerPort": DEFAULT_PORTS[name]}]
    assert base("Service")[name]["spec"]["ports"] == [
        {"name": "http", "port": DEFAULT_PORTS[name], "targetPort": "http"}
    ]
    paths = {kind: found[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/health", "port": "http"},
        "liveness": {"path": "/health", "port": "http"},
        "readiness": {"path": "/ready", "port": "http"},
    }
    served = {getattr(route, "path", None) for route in create_web(name, new_registry(name), {}).routes}
    assert {"/health", "/ready"} <= served


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_accepts_its_settings_and_lacks_none(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    secret = dict(line.split("=", 1) for line in written()[name].splitlines())
    given = settings(name, "base", OVERLAY) | {key: value or "+15005550006" for key, value in secret.items()}
    assert not {key for key in secret if key in settings(name, "base", OVERLAY)}
    known = {f"{name}_{field}".upper() for field in SETTINGS[name].model_fields.keys() - EMBEDDED_ONLY}
    assert set(given) <= known
    assert given[f"{name.upper()}_KAFKA_CA_FILE"] == "/etc/boothline/kafka/ca.pem"
    (tmp_path / "ca.pem").touch()
    for variable, value in (given | {f"{name.upper()}_KAFKA_CA_FILE": str(tmp_path / "ca.pem")}).items():
        monkeypatch.setenv(variable, value)
    assert getattr(SETTINGS[name](), "kafka_username") == name  # noqa: B009


def test_secrets_stand_in_secrets() -> None:
    for name in SERVICES:
        fields = SETTINGS[name].model_fields.items()
        secret = {f"{name}_{field}".upper() for field, info in fields if "SecretStr" in str(info.annotation)}
        assert not secret & set(settings(name, "base", OVERLAY)), name


@pytest.mark.parametrize("name", [*SERVICES, *JOBS])
def test_a_pod_reads_the_settings_of_its_service(name: str) -> None:
    service = name.removeprefix("migrate-")
    assert container(workloads()[name])["envFrom"] == [
        {"configMapRef": {"name": f"{service}-settings"}},
        {"secretRef": {"name": f"{service}-secrets"}},
    ]


@pytest.mark.parametrize("name", [*SERVICES, *JOBS])
def test_no_service_link_is_taken_for_a_setting(name: str) -> None:
    """A Service `registry` would put REGISTRY_PORT=tcp://.. into every pod."""
    assert pod(workloads()[name])["enableServiceLinks"] is False


def test_images_are_those_of_compose(services: Services) -> None:
    tags = {entry["name"]: entry["newTag"] for entry in kustomization("base")["images"]}
    ours = {service["image"].partition(":")[::2] for service in services.values() if "build" in service}
    assert tags.items() == {image: tag for image, tag in ours if image != "boothline-sandbox"}.items()
    for name, manifest in workloads().items():
        assert container(manifest)["image"] == f"boothline-{JOBS.get(name, name)}"
    assert {entry["name"] for entry in kustomization(OVERLAY)["images"]} == set(tags)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_runs_the_command_of_compose(services: Services, name: str) -> None:
    assert container(base("Job")[name])["command"] == services[name]["command"]


@pytest.mark.parametrize("name", [*SERVICES, *JOBS])
def test_a_pod_is_confined(name: str) -> None:
    manifest = workloads()[name]
    assert pod(manifest)["automountServiceAccountToken"] is False
    assert pod(manifest)["securityContext"]["runAsNonRoot"] is True
    assert pod(manifest)["securityContext"]["runAsUser"] == 10001
    assert pod(manifest)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(manifest)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    resources = container(manifest)["resources"]
    assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}
    assert base("Namespace")["boothline"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", SERVICES)
def test_a_stop_is_given_more_time_than_router_and_drain_take(name: str) -> None:
    manifest = base("Deployment")[name]
    pause = container(manifest)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(manifest)["terminationGracePeriodSeconds"] > pause + drained_after(name)


@pytest.mark.parametrize("name", SERVICES)
def test_pods_are_replaced_one_at_a_time_and_spread(name: str) -> None:
    spec = base("Deployment")[name]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert base("PodDisruptionBudget")[name]["spec"]["maxUnavailable"] == 1
    keys = {entry["topologyKey"] for entry in pod(base("Deployment")[name])["topologySpreadConstraints"]}
    assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


@pytest.mark.parametrize("name", SERVICES)
def test_selectors_find_the_pods_that_they_mean(name: str) -> None:
    label = {"app.kubernetes.io/name": name}
    manifest = base("Deployment")[name]
    assert manifest["spec"]["selector"]["matchLabels"] == label
    assert manifest["spec"]["template"]["metadata"]["labels"].items() >= label.items()
    assert base("Service")[name]["spec"]["selector"] == label
    assert base("PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == label


def selected(policy: Manifest) -> set[str]:
    """The names of the pods that a policy is about."""
    selector = policy["spec"]["podSelector"]
    pods = {name: manifest["spec"]["template"]["metadata"]["labels"] for name, manifest in workloads().items()}
    wanted = selector.get("matchLabels", {})
    found = {name for name, labels in pods.items() if wanted.items() <= labels.items()}
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        found &= {name for name, labels in pods.items() if labels.get(expression["key"]) in expression["values"]}
    return found


def allowed(direction: str) -> dict[str, set[tuple[str, object]]]:
    """By pod: the namespaces (or `public`) and ports that policies let it reach, or be reached from."""
    found: dict[str, set[tuple[str, object]]] = {name: set() for name in workloads()}
    for policy in base("NetworkPolicy").values():
        for rule in policy["spec"].get(direction, ()):
            for peer in rule["to" if direction == "egress" else "from"]:
                where = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
                for name in selected(policy):
                    found[name] |= {(where or "public", port["port"]) for port in rule["ports"]}
    return found


def test_everything_is_denied_first() -> None:
    deny = base("NetworkPolicy")["deny"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_pod_reaches_exactly_what_its_service_uses() -> None:
    servers = {"kafka": ("kafka", 9093), "database_url": ("postgresql", 5432), "valkey_url": ("valkey", 6379)}
    names = {("kube-system", 53)}
    expected: dict[str, set[tuple[str, object]]] = {
        name: names
        | {place for field, place in servers.items() if field in SETTINGS[name].model_fields}
        | {("monitoring", 4318)}
        for name in SERVICES
    }
    expected["notifier"] |= {("public", 443)}
    expected |= {f"migrate-{name}": names | {("postgresql", 5432)} for name in ("registry", "notifier")}
    expected["topics"] = names | {("kafka", 9093)}
    assert allowed("egress") == expected


def test_a_pod_is_reached_by_exactly_those_who_must() -> None:
    metrics = {("monitoring", "http")}
    public = {("ingress", "http")}
    assert allowed("ingress") == {
        "registry": metrics | public,
        "otp": metrics | public,
        "notifier": metrics | public,
        "console": metrics,
        **{name: set() for name in JOBS},
    }


def test_providers_are_reached_on_public_addresses_only() -> None:
    (rule,) = base("NetworkPolicy")["providers"]["spec"]["egress"]
    assert set(rule["to"][0]["ipBlock"]["except"]) >= {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}


def public() -> Mapping[str, set[tuple[str, str, str]]]:
    """By Ingress: path, its type and the service behind it."""
    return {
        name: {
            (path["path"], path["pathType"], path["backend"]["service"]["name"])
            for rule in manifest["spec"]["rules"]
            for path in rule["http"]["paths"]
        }
        for name, manifest in base("Ingress").items()
    }


def test_the_public_reaches_pages_and_webhooks_and_nothing_of_operators() -> None:
    hidden = {(path, "Exact", "nowhere") for path in ("/health", "/ready", "/metrics")}
    assert public() == {
        "portal": {("/", "Prefix", "registry")} | hidden,
        "confirm": {("/c/", "Prefix", "otp"), ("/static/", "Prefix", "otp")},
        "providers": {("/twilio/", "Prefix", "notifier"), ("/telegram/", "Prefix", "notifier")},
    }
    assert "nowhere" not in workloads()


def scaled() -> dict[str, Manifest]:
    return {
        found["metadata"]["name"]: found
        for found in documents(FOLDER / "components" / "keda")
        if found["kind"] == "ScaledObject"
    }


def test_lag_in_seconds_scales_registry_and_otp_and_never_the_notifier() -> None:
    assert set(scaled()) == {"registry", "otp"}
    for name, manifest in scaled().items():
        assert manifest["spec"]["scaleTargetRef"] == {"name": name}
        (trigger,) = manifest["spec"]["triggers"]
        assert trigger["type"] == "prometheus"
        asked = re.findall(r'group=~?"([a-z|-]+)"', trigger["metadata"]["query"])
        assert {group for groups in asked for group in groups.split("|")} == {
            g for g in GROUPS if service_of(g) == name
        }


def test_the_metrics_that_scale_exist() -> None:
    code = "".join(
        path.read_text("utf-8") for folder in ("shared", "services") for path in (ROOT / folder).rglob("*.py")
    )
    for manifest in scaled().values():
        asked = set(re.findall(r"boothline_[a-z_]+", manifest["spec"]["triggers"][0]["metadata"]["query"]))
        assert asked == {"boothline_consumer_lag_seconds", "boothline_consumer_paused"}
        assert {name for name in asked if f'"{name}"' not in code} == set()


def test_no_more_replicas_than_half_the_partitions_and_no_number_that_an_apply_sets_back() -> None:
    partitions = min(topic.partitions for topic in TOPICS)
    for manifest in scaled().values():
        assert manifest["spec"]["minReplicaCount"] == 2
        assert manifest["spec"]["maxReplicaCount"] <= partitions / 2
    patches = kustomization("components/keda")["patches"]
    assert {patch["target"]["name"] for patch in patches} == set(scaled())
    assert all("remove, path: /spec/replicas" in patch["patch"] for patch in patches)


def test_nothing_secret_is_in_git() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/deploy/kubernetes/overlays/*/secrets/", "/deploy/kubernetes/overlays/*/ca.pem"} <= set(ignored)
