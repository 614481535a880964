"""Pages of one appointment: its course, and correcting the phone, issuing again, ending."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.registry.api.portal import views
from services.registry.api.portal.course import AppointmentView, appointment_view, end_reasons
from services.registry.api.portal.edge import Edge, Visit
from services.registry.api.portal.forms import ReasonMissing, Typed, once, problem_of, read_form, version_of
from services.registry.api.portal.words import N_
from services.registry.domain.commands import EndReason
from services.registry.domain.failures import NoSuchAppointment, PhoneShared, Stale
from services.registry.domain.principal import Permission
from services.registry.service import Changing
from services.registry.service.changing import Change
from services.registry.store.portal import PortalReads, Snapshot
from shared.errors import Failure
from shared.ids import new_id

_DONE = {
    "recorded": N_("The appointment was recorded; the person is being asked."),
    "phone": N_("The number was corrected; the person is being asked again."),
    "reissue": N_("The invitation was issued again."),
    "end": N_("The appointment has ended; the seat is free."),
}

_REASONS: Mapping[str, EndReason] = {reason: reason for reason in get_args(EndReason)}


async def load_appointment(edge: Edge, snapshot: Snapshot, visit: Visit, appointment_id: UUID) -> AppointmentView:
    """The appointment, if this person may see it. Raises NoSuchAppointment."""
    principal = visit.principal
    course = await snapshot.course(principal.organisation_id, appointment_id, principal.unit_id)
    if course is None:
        raise NoSuchAppointment
    above = await snapshot.above(course.unit.id, principal.unit_id)
    entries = await snapshot.timeline(appointment_id)
    return appointment_view(
        course, above, entries, principal, catalogue=edge.catalogue(visit.language), language=visit.language
    )


Send = Callable[[Changing, Change, Typed], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Act:
    """Something to do about an appointment, with a page of its own."""

    template: str
    send: Send
    open: Callable[[AppointmentView], bool]
    """Whether this person may do it to the appointment as it stands."""


async def _correct(changing: Changing, change: Change, form: Typed) -> None:
    await changing.correct_phone(change, form["phone"], shared_phone=form["shared_phone"] == "yes")


async def _reissue(changing: Changing, change: Change, _: Typed) -> None:
    await changing.reissue(change)


async def _end(changing: Changing, change: Change, form: Typed) -> None:
    reason = _REASONS.get(form["reason"])
    if reason is None:
        raise ReasonMissing(field="reason")
    await changing.end(change, reason)


_ACTS = {
    "phone": Act("phone.html", _correct, lambda view: view.may_correct),
    "reissue": Act("reissue.html", _reissue, lambda view: view.may_reissue),
    "end": Act("end.html", _end, lambda view: view.may_end),
}


def routes(edge: Edge, reads: PortalReads, changing: Changing) -> APIRouter:
    """Each act is a page of its own, and ends in a redirect to the appointment."""
    router = APIRouter(route_class=edge.route_class(), include_in_schema=False)

    @router.get("/appointments/{text_id}")
    async def appointment(request: Request, text_id: str) -> Response:
        visit = await edge.visit(request)
        async with reads.snapshot() as snapshot:
            after = await snapshot.cursor()
            view = await load_appointment(edge, snapshot, visit, parse_id(text_id))
        context = {
            "view": view,
            "done": _done(edge, visit),
            "section": "coverage",
            "live": views.live_url(after, appointment=str(view.id)),
            "status_line": views.as_of(visit.now, edge.catalogue(visit.language), visit.language),
        }
        return edge.page(request, "appointment.html", context, personal=True, principal=visit.principal)

    @router.get("/appointments/{text_id}/{name}")
    async def ask(request: Request, text_id: str, name: str) -> Response:
        visit, act, appointment_id = await edge.visit(request), _act(name), parse_id(text_id)
        visit.principal.require(Permission.RECORD)
        return await _draw(edge, reads, visit, appointment_id, act, Typed())

    @router.post("/appointments/{text_id}/{name}")
    async def send(request: Request, text_id: str, name: str) -> Response:
        visit, form = await edge.visit(request), await read_form(request)
        act, appointment_id = _act(name), parse_id(text_id)
        change = Change(visit.principal, appointment_id, visit.now, version_of(form), once(form, [name, text_id]))
        try:
            await act.send(changing, change, form)
        except Failure as failure:
            return await _draw(edge, reads, visit, appointment_id, act, form, failure=failure)
        return RedirectResponse(f"/appointments/{appointment_id}?done={name}", 303, {"cache-control": "no-store"})

    return router


async def _draw(  # noqa: PLR0917 # one more context object would only rename the arguments
    edge: Edge,
    reads: PortalReads,
    visit: Visit,
    appointment_id: UUID,
    act: Act,
    form: Typed,
    *,
    failure: Failure | None = None,
) -> Response:
    async with reads.snapshot() as snapshot:
        view = await load_appointment(edge, snapshot, visit, appointment_id)
    if failure is None and not act.open(view):
        return RedirectResponse(f"/appointments/{appointment_id}", 303, {"cache-control": "no-store"})
    problems = (
        [problem_of(failure, edge.explain(failure, visit.language), edge.gettext(visit.language))] if failure else []
    )
    shown = {"version": str(view.version)}
    context = {
        "view": view,
        "form": Typed(form | shown if isinstance(failure, Stale) else shown | form),
        "request_id": form["request_id"] or str(new_id()),
        "problems": problems,
        "failed": bool(problems),
        "ask_shared": isinstance(failure, PhoneShared) or form["shared_phone"] == "yes",
        "reasons": end_reasons(edge.catalogue(visit.language)),
        "section": "coverage",
    }
    status = failure.status if failure else 200
    return edge.page(visit.request, act.template, context, status=status, personal=True, principal=visit.principal)


def _act(name: str) -> Act:
    if name not in _ACTS:
        raise NoSuchAppointment
    return _ACTS[name]


def parse_id(text: str) -> UUID:
    """The id in a path. Raises NoSuchAppointment."""
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchAppointment from None


def _done(edge: Edge, visit: Visit) -> str:
    text = _DONE.get(visit.request.query_params.get("done", ""))
    return edge.gettext(visit.language)(text) if text else ""
