"""The faults as a page: what is in force, a form for one more, and when receipts come."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from services.sandbox.api.control.bodies import CarrierRules, FaultIn
from services.sandbox.api.pages.forms import fields
from services.sandbox.api.pages.view import View
from services.sandbox.domain.carrier import Policy
from services.sandbox.domain.failures import NotAFault
from services.sandbox.domain.faults import Api, Fault, Stage
from services.sandbox.domain.receipts import Receipts
from services.sandbox.service.sandbox import Sandbox


def routes(sandbox: Sandbox, view: View) -> APIRouter:
    """/faults."""
    router = APIRouter(prefix="/faults", route_class=view.route_class())

    def page() -> dict[str, object]:
        world = sandbox.world
        choices: dict[str, object] = {"apis": list(Api), "stages": list(Stage), "receipts": list(Receipts)}
        return choices | {"rules": world.faults.rules, "policy": world.carrier.policy}

    def failed(request: Request, form: dict[str, str], wrong: ValidationError) -> Response:
        name = str((*wrong.errors()[0]["loc"], "status")[0])
        return view.failed(request, "faults.html", NotAFault(field=name, name=name), page() | {"given": form})

    @router.get("")
    async def listed(request: Request) -> Response:
        return view.page(request, "faults.html", page())

    @router.post("")
    async def add(request: Request) -> Response:
        form = await fields(request)
        try:
            fault = read(form)
        except ValidationError as wrong:
            return failed(request, form, wrong)
        sandbox.world.faults.add(Fault(**fault.model_dump()))
        return RedirectResponse("/faults", 303)

    @router.post("/{fault_id}/remove")
    async def remove(fault_id: int) -> Response:
        sandbox.world.faults.remove(fault_id)
        return RedirectResponse("/faults", 303)

    @router.post("/receipts")
    async def receipts(request: Request) -> Response:
        form = await fields(request)
        try:
            rules = CarrierRules.model_validate(form)
        except ValidationError as wrong:
            return failed(request, form, wrong)
        sandbox.world.carrier.policy = Policy(rules.receipts, rules.delay, rules.late_by)
        return RedirectResponse("/faults", 303)

    return router


def read(form: dict[str, str]) -> FaultIn:
    """The fault that a form describes; empty fields count as absent. Raises ValidationError."""
    given: dict[str, object] = {name: value for name, value in form.items() if value.strip()}
    if given.get("times") == "always":
        given["times"] = None
    return FaultIn.model_validate(given)
