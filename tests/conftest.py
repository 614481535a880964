"""What tests may ask for. Servers are real, start at the first request for one of them and end with the session.

PostgreSQL (18, fsync off)
    `postgres_url`      the URL of a new empty database of this test alone, as its owner (not a superuser)
    `databases`         for more: a schema that is migrated once per session and cloned per test (about 30 ms);
                        migrate(url) must close its connections:

        @pytest.fixture
        def registry_url(databases: Databases) -> Iterator[str]:
            template = databases.template("registry", migrate)
            with databases.fresh(template) as url:
                yield url

Valkey (9, append-only file, appendfsync always)
    `valkey_url`        the URL of a numbered database, emptied before this test; channels (pub/sub) are not apart

Kafka's protocol
    `own_kafka`         bootstrap of an empty broker of this test alone, so use the real topic names
    `kafka_bootstrap`   bootstrap of the session's broker; shared: every topic and group must start with `kafka_prefix`
    `kafka_prefix`      "t<8 hex digits>." of this test alone
    `kafka_is_embedded` both are the embedded broker (Tansu): a process per test for `own_kafka` (5 ms, 13 MB), no
                        idempotent producer, a wrong end of a topic, 3-5 s for a group's first join: say
                        Connection(.., ephemeral=kafka_is_embedded)
    `apache_jars`       for tests that start Apache Kafka themselves (mark them `@pytest.mark.kafka`); a node is
                        ready in 2 s (9 s when three are started on a busy machine), 200 MB each

    Both are Apache Kafka in `make test-kafka` (TEST_KAFKA_SERVER=apache): one node per session, which `own_kafka`
    finds without topics and groups. Then tests marked `embedded` are left out, else those marked `kafka`.

Chromium
    `chromium`          path of Debian's Chromium; mark the test `@pytest.mark.browser`: without Chromium it is left
                        out, and the last lines of the run say so

Prometheus
    `promtool`          path of Debian's promtool; mark the test `@pytest.mark.prometheus`, which works like `browser`

Go (1.25 or newer, on the PATH): mark the test `@pytest.mark.go`, which works like `browser` too

PostgreSQL, Valkey and Chromium can be yours instead: TEST_POSTGRES=postgresql://admin:..@host/postgres,
TEST_VALKEY=redis://.., TEST_CHROMIUM=/path. The servers are processes started without an event
loop: use them from sync and async tests. Tests in tests/unit get none of this: the network is refused there.
"""

import itertools
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from stack.child import Child
from stack.databases import Databases
from stack.embedded import Binaries, Postgres, Tansu, Valkey, find
from stack.embedded.starting import drive
from stack.folder import RunFolder, fresh_test_folder
from stack.kafka import Jars, KafkaCluster, prepared
from stack.settings import ServersUnderTest
from tests.emptying import emptied

_CHROMIUM_MISSING = "Chromium is missing: apt-get install -y chromium fonts-noto-core fonts-noto-color-emoji"
_PROMETHEUS_MISSING = "Prometheus is missing: apt-get install -y --no-install-recommends prometheus"
_GO_MISSING = "Go is missing: 1.25 or newer must be on the PATH"
_LEFT_OUT = pytest.StashKey[Counter[str]]()
_valkey_databases = itertools.cycle(range(1, 16))

# Hypothesis takes a process that was stopped for a moment for a slow test (200 ms an example, 1 s for ten drawings).
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")


@pytest.fixture(scope="session")
def servers_under_test() -> ServersUnderTest:
    """The servers named from outside."""
    return ServersUnderTest()


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The servers' programs."""
    return find()


@pytest.fixture(scope="session")
def run_folder() -> Iterator[RunFolder]:
    """The private folder of this session."""
    folder = fresh_test_folder()
    yield folder
    folder.close()


@pytest.fixture(scope="session")
def databases(servers_under_test: ServersUnderTest, binaries: Binaries, run_folder: RunFolder) -> Iterator[Databases]:
    """Makes databases on the session's PostgreSQL."""
    if servers_under_test.postgres:
        made = Databases(binaries, servers_under_test.postgres, servers_under_test.postgres, run_folder.path)
        yield made
        made.close()
        return
    server = Postgres(binaries, run_folder, None, ("tests",), durable=False)
    with _running(server):
        yield Databases(binaries, server.admin_url, server.url("tests"), run_folder.path)


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """The URL of a new empty database."""
    with databases.fresh() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_server_url(servers_under_test: ServersUnderTest, binaries: Binaries, run_folder: RunFolder) -> Iterator[str]:
    """The URL of the session's Valkey without a database number."""
    if servers_under_test.valkey:
        yield servers_under_test.valkey.rstrip("/")
        return
    server = Valkey(binaries.valkey, run_folder, None)
    with _running(server):
        yield server.url().removesuffix("/0")


@pytest.fixture
def valkey_url(valkey_server_url: str) -> str:
    """The URL of an empty numbered database."""
    url = f"{valkey_server_url}/{next(_valkey_databases)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def kafka_is_embedded(servers_under_test: ServersUnderTest) -> bool:
    """Whether `kafka_bootstrap` and `own_kafka` are the embedded broker."""
    return servers_under_test.kafka_server == "embedded"


@pytest.fixture(scope="session")
def apache_jars() -> Jars:
    """Apache Kafka's program."""
    return prepared()


@pytest.fixture(scope="session")
def apache_kafka(apache_jars: Jars, run_folder: RunFolder) -> Iterator[KafkaCluster]:
    """The session's node of Apache Kafka."""
    kafka = KafkaCluster(apache_jars, run_folder)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.kill()


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest, kafka_is_embedded: bool) -> Iterator[str]:
    """The session's broker."""
    if not kafka_is_embedded:
        kafka: KafkaCluster = request.getfixturevalue("apache_kafka")
        yield kafka.bootstrap
        return
    broker = Tansu(request.getfixturevalue("binaries").tansu, request.getfixturevalue("run_folder"), None)
    with _running(broker):
        yield broker.bootstrap


@pytest.fixture
def own_kafka(request: pytest.FixtureRequest, kafka_is_embedded: bool) -> Iterator[str]:
    """A broker of this test alone, or one that is as good as new."""
    if kafka_is_embedded:
        yield request.getfixturevalue("new_tansu")
        return
    kafka: KafkaCluster = request.getfixturevalue("apache_kafka")
    if not emptied(kafka.bootstrap):
        kafka.kill()
        drive(kafka.starting_empty())
    yield kafka.bootstrap


@pytest.fixture
def new_tansu(binaries: Binaries, run_folder: RunFolder) -> Iterator[str]:
    """A new embedded broker, whatever the others are."""
    broker = Tansu(binaries.tansu, run_folder, None, label=f"tansu-{secrets.token_hex(4)}")
    with _running(broker):
        yield broker.bootstrap


@pytest.fixture
def kafka_prefix() -> str:
    """What every topic and group of this test starts with."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture(scope="session")
def chromium(servers_under_test: ServersUnderTest) -> str:
    """Path of the browser."""
    return str(servers_under_test.chromium)


@pytest.fixture(scope="session")
def promtool(servers_under_test: ServersUnderTest) -> str:
    """Path of Prometheus' tool; `prometheus` lies beside it."""
    return str(servers_under_test.promtool)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips`: for CI, where everything is installed."""
    parser.addoption(
        "--no-skips", action="store_true", help="fail when a test was skipped, and leave none out for a missing program"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Runs quick tests first, the slow ones last, and leaves out the browser tests where there is no Chromium. Tests
    that make sense on one kind of broker only are left out on the other, without being counted as skipped."""
    other = "kafka" if ServersUnderTest().kafka_server == "embedded" else "embedded"
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(other)])
    items[:] = [item for item in items if not item.get_closest_marker(other)]
    items.sort(key=_order)
    if config.getoption("--no-skips"):
        return
    for marker, program, missing in (
        ("browser", ServersUnderTest().chromium, _CHROMIUM_MISSING),
        ("prometheus", ServersUnderTest().promtool, _PROMETHEUS_MISSING),
        ("go", Path(shutil.which("go") or "/no/go"), _GO_MISSING),
    ):
        for item in () if program.exists() else items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """A file stays on one of the parallel workers, and all end-to-end tests share one: they share a running system.
    So do the tests of the secured stream with their cluster.
    (xdist 3.8 itself cannot group by a marker: it writes to a field that pytest 9 no longer has.)"""
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):  # type: ignore[misc] # untyped base class
    def _split_scope(self, nodeid: str) -> str:
        shared = ("tests/e2e/", "tests/integration/security/")
        return next((folder for folder in shared if nodeid.startswith(folder)), nodeid.partition("::")[0])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Counts the tests that were left out for want of a program."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    programs = (_CHROMIUM_MISSING, _PROMETHEUS_MISSING, _GO_MISSING)
    config.stash[_LEFT_OUT] = Counter(missing for missing in programs for said in skipped if missing in said)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Says at the very end which tests were left out."""
    for missing, count in config.stash.get(_LEFT_OUT, Counter()).items():
        config.get_terminal_writer().line(f"{count} tests were left out. {missing}", yellow=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With `--no-skips` a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _order(item: pytest.Item) -> tuple[bool, int]:
    kinds = ("unit", "contract", "integration", "e2e")
    found = (kinds.index(part) for part in item.path.parts if part in kinds)
    return item.get_closest_marker("slow") is not None, next(found, 0)


class _running:  # noqa: N801  reads as a verb in a with statement
    """Runs a server as long as the block does."""

    def __init__(self, server: Postgres | Valkey | Tansu) -> None:
        self._server = server

    def __enter__(self) -> Child:
        try:
            drive(self._server.starting())
        except BaseException:
            self.__exit__()
            raise
        assert self._server.child is not None
        return self._server.child

    def __exit__(self, *_: object) -> None:
        if self._server.child is not None:
            self._server.child.end()
