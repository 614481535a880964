"""Prometheus asks every service where it listens, and Grafana finds Prometheus and its boards."""

import json
from typing import Any

import yaml

from stack.services import DEFAULT_PORTS
from tests.unit.deploy.compose_file import environment
from tests.unit.deploy.conftest import ROOT
from tests.unit.deploy.test_compose import Services

DEPLOY = ROOT / "deploy"


def parsed(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text(encoding="utf-8"))


def mounted(services: Services, name: str) -> dict[str, str]:
    """Folders of the checkout by where a container finds them."""
    binds = (volume.split(":") for volume in services[name]["volumes"] if volume.startswith("./"))
    return {inside: outside.removeprefix("./deploy/") for outside, inside, _ in binds}


def test_every_service_is_asked_for_its_metrics_under_its_own_name() -> None:
    jobs = {job["job_name"]: job["static_configs"] for job in parsed("prometheus/prometheus.yml")["scrape_configs"]}
    ours = {name: [{"targets": [f"{name}:{port}"]}] for name, port in DEFAULT_PORTS.items() if name != "sandbox"}
    assert jobs.items() >= ours.items()
    assert set(jobs) - set(ours) == {"kminion", "prometheus"}


def test_what_is_asked_is_in_the_network_of_prometheus(services: Services) -> None:
    for job in parsed("prometheus/prometheus.yml")["scrape_configs"]:
        (target,) = job["static_configs"][0]["targets"]
        name, _, port = target.partition(":")
        if name == "localhost":
            continue
        assert "watch" in services[name]["networks"]
        if name == "kminion":
            assert environment(services[name], {})["EXPORTER_PORT"] == port


def test_prometheus_finds_its_files(services: Services) -> None:
    assert mounted(services, "prometheus") == {"/etc/prometheus": "prometheus"}
    assert "--config.file=/etc/prometheus/prometheus.yml" in services["prometheus"]["command"]
    config = parsed("prometheus/prometheus.yml")
    assert [*(DEPLOY / "prometheus").glob(config["rule_files"][0])]
    (files,) = config["alerting"]["alertmanagers"][0]["file_sd_configs"]
    assert parsed(f"prometheus/{files['files'][0]}") == []


def test_grafana_finds_prometheus_and_its_boards(services: Services) -> None:
    folders = mounted(services, "grafana")
    assert folders["/etc/grafana/provisioning"] == "grafana/provisioning"
    (source,) = parsed("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = parsed("grafana/provisioning/dashboards/boothline.yml")["providers"]
    boards = DEPLOY / folders[provider["options"]["path"]]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (boards / home.removeprefix(provider["options"]["path"] + "/")).is_file()
    for board in boards.glob("*.json"):
        for panel in json.loads(board.read_text(encoding="utf-8"))["panels"]:
            assert panel.get("datasource", {}).get("uid", source["uid"]) == source["uid"]


def test_nobody_gets_into_grafana_without_a_password(services: Services) -> None:
    passed = services["grafana"]["environment"]
    assert passed["GF_AUTH_ANONYMOUS_ENABLED"] == passed["GF_USERS_ALLOW_SIGN_UP"] == "false"
