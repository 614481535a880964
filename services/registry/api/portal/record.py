"""Recording an appointment: a form that keeps what was typed, and can be sent twice without harm."""

from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.registry.api.portal import views
from services.registry.api.portal.edge import Edge, Visit
from services.registry.api.portal.forms import Typed, once, problem_of, read_form
from services.registry.api.portal.notice import VERSION
from services.registry.domain.commands import Record, parse_language, parse_notice
from services.registry.domain.failures import NoticeMissing, PhoneShared, UnknownPost
from services.registry.domain.names import Name, parse_name
from services.registry.domain.principal import Permission
from services.registry.domain.records import Gender
from services.registry.service import Recording
from services.registry.store.portal import PortalReads
from shared.errors import Failure
from shared.ids import new_id
from shared.phone import NotAPhone

_GENDERS: dict[str, Gender] = {gender: gender for gender in get_args(Gender)}


class NoticeNotShown(NoticeMissing):
    """Show or read the privacy notice to the person first."""

    code = "notice_not_shown"


def routes(edge: Edge, reads: PortalReads, recording: Recording) -> APIRouter:
    """`/units/{code}/record?post=...`: the form, and what it sends."""
    router = APIRouter(route_class=edge.route_class(), include_in_schema=False)

    async def draw(visit: Visit, code: str, form: Typed, failures: list[Failure]) -> Response:
        wanted = visit.request.query_params.get("post", "")
        async with reads.snapshot() as snapshot:
            unit = await views.find_unit(snapshot, visit.principal, code)
            level = (await snapshot.unit_by_id(unit.id)).level
            post = await snapshot.post(visit.principal.organisation_id, level, wanted)
        if post is None:
            raise UnknownPost(field="post", post=wanted[:60], level=level)
        gettext = edge.gettext(visit.language)
        problems = [problem_of(failure, edge.explain(failure, visit.language), gettext) for failure in failures]
        context: dict[str, Any] = {
            "unit": unit,
            "above": [*unit.above, unit],
            "post": post.label,
            "form": form,
            "request_id": form["request_id"] or str(new_id()),
            "problems": problems,
            "failed": bool(problems),
            "ask_shared": form["shared_phone"] == "yes"
            or any(isinstance(failure, PhoneShared) for failure in failures),
            "section": "coverage",
        }
        status = failures[0].status if failures else 200
        personal = bool(failures)
        return edge.page(
            visit.request, "record.html", context, status=status, personal=personal, principal=visit.principal
        )

    @router.get("/units/{code}/record")
    async def form(request: Request, code: str) -> Response:
        visit = await edge.visit(request)
        visit.principal.require(Permission.RECORD)
        return await draw(visit, code, Typed(language=visit.language), [])

    @router.post("/units/{code}/record")
    async def record(request: Request, code: str) -> Response:
        visit, form = await edge.visit(request), await read_form(request)
        post = request.query_params.get("post", "")
        wrong, command = _command(visit, code, post, form)
        if wrong:
            return await draw(visit, code, form, wrong)
        try:
            answer = await recording.record(visit.principal, command, once(form, ["record", code, post]), visit.now)
        except Failure as failure:
            return await draw(visit, code, form, [failure])
        return RedirectResponse(
            f"/appointments/{answer.appointment_id}?done=recorded", 303, {"cache-control": "no-store"}
        )

    return router


def _command(visit: Visit, code: str, post: str, form: Typed) -> tuple[list[Failure], Record]:
    """The command, and everything that is wrong with the form at once; with failures the command is not for use."""
    wrong: list[Failure] = []
    name = Name()
    try:
        name = parse_name(form["name_hi"], form["name_en"])
    except Failure as failure:
        wrong.append(failure)
    if not form["phone"].strip():
        wrong.append(NotAPhone(field="phone"))
    if form["notice"] != "yes":
        wrong.append(NoticeNotShown(field="notice"))
    language = form["language"] or visit.language
    return wrong, Record(
        unit=code,
        post=post,
        name=name,
        phone=form["phone"],
        notice=parse_notice(VERSION, visit.language, visit.now, visit.now),
        language=parse_language(language, "language") if language in {"hi", "en"} else visit.language,
        gender=_GENDERS.get(form["gender"]),
        shared_phone=form["shared_phone"] == "yes",
    )
