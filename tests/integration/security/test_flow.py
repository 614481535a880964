"""The whole of Boothline on a cluster with TLS, SCRAM and ACLs: one principal per service, none with more than its
rights, and every topic of the contract carries something."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from rich.console import Console

from shared.bus import ALL_TOPICS, delete_topics, ensure_topics
from shared.events import TOPICS
from shared.events.catalogue import GROUPS
from stack.fixture import Size, booths, table
from stack.folder import fresh_test_folder
from stack.product import BOOTHLINE
from stack.report import Report
from stack.running import Options, Product, running
from stack.services import Job, Service
from stack.services import System as Processes
from tests.e2e.world import Appointee, ConfirmPage, Phones, Registry, code_in, until
from tests.integration.security.secured import ADMIN, Secured, all_closed

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

Process = TypeVar("Process", Service, Job)
LIST = Size(3)
UNITS = [booth.code for booth in booths(LIST)]


@dataclass(frozen=True)
class System:
    """What runs."""

    registry: Registry
    phones: Phones
    console: httpx.Client
    urls: dict[str, str]
    runner: asyncio.Runner


@pytest.fixture(scope="module")
def system(kafka: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything, started on the secured cluster, whose topics are emptied before."""
    folder = fresh_test_folder()
    options = Options(
        kafka=kafka.bootstrap, endpoints_file=tmp_path_factory.mktemp("system") / "up.json", usual_ports=False
    )
    with asyncio.Runner() as runner, Path(os.devnull).open("w") as quiet, contextlib.ExitStack() as up_to_here:
        up_to_here.callback(folder.close)
        up_to_here.callback(lambda: runner.run(all_closed()))
        runner.run(delete_topics(kafka.connection(ADMIN)))
        context = running(folder, options, Report(Console(file=quiet)), secure(BOOTHLINE, kafka))
        up = runner.run(context.__aenter__())
        up_to_here.callback(lambda: runner.run(context.__aexit__(None, None, None)))
        urls = dict(up.endpoints.services)
        registry = up_to_here.enter_context(Registry(urls["registry"], up.endpoints.api_key))
        phones = up_to_here.enter_context(Phones(urls["sandbox"]))
        console = up_to_here.enter_context(httpx.Client(base_url=urls["console"], timeout=60))
        registry.load(table(booths(LIST)))
        yield System(registry, phones, console, urls, runner)


def secure(product: Product, kafka: Secured) -> Product:
    """The product, every process of it with its own principal."""

    def system(*arguments: Any, **more: Any) -> Processes:
        made = product.system(*arguments, **more)
        return replace(
            made,
            services=tuple(_as_itself(service, kafka) for service in made.services),
            jobs=tuple(_as_itself(job, kafka) for job in made.jobs),
            bootstrap=_as_itself(made.bootstrap, kafka),
            sign_in=_as_itself(made.sign_in, kafka),
        )

    async def make_topics(bootstrap: str, options: Options) -> None:
        assert len(await ensure_topics(kafka.connection("topics"))) == len(ALL_TOPICS)

    return replace(product, system=system, make_topics=make_topics)


def _as_itself(process: Process, kafka: Secured) -> Process:
    service = process.name.partition("-")[0]
    if service == "sandbox":
        return process
    told = kafka.environment(service, f"{service.upper()}_")
    return replace(process, environment={**process.environment, **told})


def person(system: System, number: int) -> Appointee:
    """Somebody with a phone and without Telegram."""
    who = Appointee(7_000_000 + number)
    system.phones.add(who, telegram=False)
    return who


def is_ready(url: str) -> bool:
    """Whether it says so."""
    answer = httpx.get(f"{url}/ready", timeout=60)
    return (answer.status_code, answer.json()["status"]) == (200, "ready")


def records(system: System) -> dict[str, dict[str, int]]:
    """What the console sees of every topic."""
    return {row["topic"]: row for row in system.console.get("/v1/topics").json()}


def test_the_whole_flow_passes_with_acls_tls_and_one_principal_per_service(system: System) -> None:
    channel = system.phones.http.post("/channels", json={"title": "Booth"}).json()["chat_id"]
    assert system.registry.http.put(f"/v1/units/{UNITS[0]}/channel", json={"chat_id": channel}).is_success

    by_page = person(system, 1)
    made = system.registry.record(UNITS[0], "president", by_page)
    sms = system.phones.sms(by_page, "/c/")
    assert ConfirmPage.of(sms).confirm(code_in(sms)).status_code == 200
    assert system.registry.until_state(made["id"], "verified") == "verified"
    assert system.phones.post(channel)["text"]

    by_sms = person(system, 2)
    other = system.registry.record(UNITS[1], "secretary", by_sms)
    sms = system.phones.sms(by_sms, "/c/")
    system.phones.do(by_sms, "reply", text=code_in(sms))
    assert system.registry.until_state(other["id"], "verified") == "verified"

    assert system.registry.http.delete(f"/v1/appointments/{other['id']}/person").is_success

    written = {topic.name for topic in TOPICS}
    until(lambda: all(records(system)[name]["records"] for name in written), "every topic carries something")
    pairs = {(row["group"], row["topic"]) for row in system.console.get("/v1/lag").json()}
    assert pairs == {(group, topic.name) for group, topics in GROUPS.items() for topic in topics}
    until(lambda: not any(row["records"] for row in system.console.get("/v1/lag").json()), "nobody is behind")
    assert {name: row["dead"] for name, row in records(system).items() if row["dead"]} == {}


def test_every_service_is_ready_and_none_was_refused_anything(system: System) -> None:
    for name, url in system.urls.items():
        until(partial(is_ready, url), f"{name} is ready")
