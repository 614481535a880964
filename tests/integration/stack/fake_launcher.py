"""`python -m tests.integration.stack.fake_launcher FOLDER [FAULT]`: the real launcher with fake services."""

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from stack.cli import until_signal
from stack.demo.performance import stay_up
from stack.embedded import Servers
from stack.folder import RunFolder
from stack.report import Report
from stack.running import Options, Product
from stack.services import Job, Service, System

FAKE = str(Path(__file__).with_name("fake_service.py"))
SERVICES = ("sandbox", "registry", "otp", "console")
SAYS = "import json; print(json.dumps({'api_key': 'k', 'sign_in_url': 'http://127.0.0.1/sign-in'}))"


async def no_topics(bootstrap: str, options: Options) -> None:
    """There is nobody to use them."""


def fake_system(fault: str) -> Product:
    """Services and a migration; otp has `fault`, and "hold" is one of the migration."""

    def system(servers: Servers, ports: Mapping[str, int], *, keys: object, ephemeral: bool, log_level: str) -> System:
        def service(name: str, fault: str) -> Service:
            environment = {f"{name.upper()}_PORT": str(ports[name]), f"{name.upper()}_FAULT": fault}
            return Service(name, (sys.executable, FAKE, name), ports[name], environment)

        held = {"REGISTRY_FAULT": fault} if fault == "hold" else {}
        migrate = Job("registry-migrate", (sys.executable, FAKE, "registry", "migrate"), held)
        bootstrap = Job("registry-bootstrap", (sys.executable, "-c", SAYS), {})
        sign_in = Job("registry-sign-in", (sys.executable, "-c", "print('http://127.0.0.1/again')"), {})
        return System(
            (migrate,), tuple(service(name, fault if name == "otp" else "") for name in SERVICES), bootstrap, sign_in
        )

    return Product(system, no_topics)


def main() -> int:
    """Runs until a signal."""
    folder, fault = Path(sys.argv[1]), "".join(sys.argv[2:])
    report = Report(Console(width=300))
    options = Options(endpoints_file=folder / "endpoints" / "endpoints.json")
    work = stay_up(lambda: RunFolder(folder / "run"), options, report, fake_system(fault), empty=True)
    return until_signal(work, report)


if __name__ == "__main__":
    sys.exit(main())
