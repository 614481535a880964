"""A real Prometheus scrapes what runs: every query of the dashboard returns data, every rule is evaluated."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from stack import ports
from tests.e2e.conftest import System
from tests.e2e.world import PATIENCE, Appointee, ConfirmPage, code_in, until

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(900)]
DEPLOY = Path(__file__).parents[2] / "deploy"
BOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "boothline.json").read_text(encoding="utf-8"))
QUERIES = [(panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel.get("targets", ())]

RULES = len(
    [
        rule
        for group in yaml.safe_load((DEPLOY / "prometheus" / "rules" / "boothline.yml").read_text(encoding="utf-8"))[
            "groups"
        ]
        for rule in group["rules"]
    ]
)


class Prometheus:
    """One that scrapes every second."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def ask(self, expression: str) -> list[Any]:
        """The samples now. A wrong query fails the test."""
        answer = self.http.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        return list(answer.json()["data"]["result"])

    def value(self, expression: str) -> float:
        found = self.ask(expression)
        return float(found[0]["value"][1]) if found else 0.0


@pytest.fixture
def prometheus(system: System, promtool: str, tmp_path: Path) -> Iterator[Prometheus]:
    """The shipped configuration, with the addresses of what runs, every second."""
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    shipped = yaml.safe_load((tmp_path / "prometheus.yml").read_text(encoding="utf-8"))
    services = {
        job["job_name"]: job for job in shipped["scrape_configs"] if job["job_name"] in system.endpoints.services
    }
    assert services.keys() == {"registry", "otp", "notifier", "console"}
    for name, job in services.items():
        job["static_configs"] = [{"targets": [urlsplit(system.endpoints.services[name]).netloc]}]
    shipped["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    shipped["scrape_configs"] = list(services.values())
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(shipped), encoding="utf-8")
    url = f"127.0.0.1:{ports.pick()}"
    command = [
        str(Path(promtool).with_name("prometheus")), f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={url}", "--log.level=error",
    ]  # fmt: skip
    with (
        httpx.Client(base_url=f"http://{url}", timeout=PATIENCE) as http,
        subprocess.Popen(command, cwd=tmp_path) as process,
    ):
        try:
            made = Prometheus(http)
            until(lambda: _ready(made) or process.poll() is not None, "Prometheus is ready")
            assert process.poll() is None, "Prometheus has ended"
            yield made
        finally:
            process.terminate()


def _ready(prometheus: Prometheus) -> bool:
    try:
        return prometheus.http.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_every_query_of_the_dashboard_returns_data_and_every_rule_is_evaluated(
    system: System, prometheus: Prometheus, unit: str, appointee: Appointee
) -> None:
    sent = 'sum(boothline_step_seconds_count{step="recorded_to_sent",lane="code"})'
    before: list[float] = []

    def scraped() -> bool:  # a scrape that takes longer than its second leaves nothing to see until the next one
        before[:] = [float(sample["value"][1]) for sample in prometheus.ask(sent)]
        return bool(before)

    until(scraped, "the registry is scraped")
    made = system.registry.record(unit, "president", appointee)
    sms = system.phones.sms(appointee, "/c/")
    ConfirmPage.of(sms).confirm(code_in(sms))
    system.registry.until_state(made["id"], "verified")
    until(lambda: prometheus.value(sent) > before[0], "the code is counted")
    empty = [query for query in QUERIES if not prometheus.ask(query[1].replace("$__rate_interval", "1m"))]

    def all_answered() -> bool:  # rates need two samples, and lag is measured every fifteen seconds
        empty[:] = [query for query in empty if not prometheus.ask(query[1].replace("$__rate_interval", "1m"))]
        return not empty

    until(all_answered, f"every query returns data, missing: {empty}", 3 * PATIENCE)
    groups = prometheus.http.get("/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == RULES
    until(lambda: _healthy(prometheus), "every rule was evaluated")
    firing = {alert["labels"]["alertname"] for alert in prometheus.http.get("/api/v1/alerts").json()["data"]["alerts"]}
    assert "Watchdog" in firing


def _healthy(prometheus: Prometheus) -> bool:
    groups = prometheus.http.get("/api/v1/rules").json()["data"]["groups"]
    return all(rule["health"] == "ok" for group in groups for rule in group["rules"])
