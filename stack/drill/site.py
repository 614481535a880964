"""The installation of a drill: everything of ours, and in place of the sandbox the world outside."""

import sys
from dataclasses import replace
from pathlib import Path

from stack.product import BOOTHLINE
from stack.running import Product
from stack.services import Service, System

OUTSIDE = "outside"


def product(folder: Path, *, answers: float, seed: int) -> Product:
    """Boothline without the sandbox; the world outside writes into `folder`."""

    def system(*arguments: object, **more: object) -> System:
        built = BOOTHLINE.system(*arguments, **more)
        settings = {service.name: service.environment for service in built.services}
        sandbox = next(service for service in built.services if service.name == "sandbox")
        outside = Service(
            OUTSIDE,
            (sys.executable, "-m", "stack.drill.outside"),
            sandbox.port,
            {
                "OUTSIDE_PORT": str(sandbox.port),
                "OUTSIDE_ACCOUNT": settings["notifier"]["NOTIFIER_TWILIO_ACCOUNT_SID"],
                "OUTSIDE_TOKEN": settings["notifier"]["NOTIFIER_TWILIO_AUTH_TOKEN"],
                "OUTSIDE_INBOUND_URL": settings["sandbox"]["SANDBOX_INBOUND_URL"],
                "OUTSIDE_FOLDER": str(folder),
                "OUTSIDE_ANSWERS": str(answers),
                "OUTSIDE_SEED": str(seed),
            },
        )
        ours = [_without_telegram(service) for service in built.services if service.name != "sandbox"]
        return replace(built, services=(outside, *ours))

    return replace(BOOTHLINE, system=system)


def _without_telegram(service: Service) -> Service:
    """There is no Bot API outside: everybody is asked by SMS."""
    kept = {name: value for name, value in service.environment.items() if "TELEGRAM" not in name}
    return replace(service, environment=kept)
