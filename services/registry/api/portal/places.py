"""Pages of places: the coverage tree, and the committee of a unit."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.registry.api.portal import views
from services.registry.api.portal.edge import Edge, Visit
from services.registry.store.portal import PortalReads


def routes(edge: Edge, reads: PortalReads) -> APIRouter:
    """Coverage from the top, or of one unit; a committee."""
    router = APIRouter(route_class=edge.route_class(), include_in_schema=False)

    @router.get("/")
    async def top(request: Request) -> Response:
        return await _coverage(edge, reads, await edge.visit(request), None)

    @router.get("/coverage/{code:path}")
    async def coverage(request: Request, code: str) -> Response:
        return await _coverage(edge, reads, await edge.visit(request), code)

    @router.get("/units/{code}")
    async def unit(request: Request, code: str) -> Response:
        visit = await edge.visit(request)
        catalogue = edge.catalogue(visit.language)
        async with reads.snapshot() as snapshot:
            after = await snapshot.cursor()
            found = await views.find_unit(snapshot, visit.principal, code)
            context = await views.committee_context(snapshot, found.id, catalogue, visit.language)
        context |= views.rights(visit.principal) | {
            "unit": found,
            "section": "coverage",
            "live": views.live_url(after, unit=found.code),
            "status_line": views.as_of(visit.now, catalogue, visit.language),
        }
        return edge.page(request, "unit.html", context, personal=True, principal=visit.principal)

    return router


async def _coverage(edge: Edge, reads: PortalReads, visit: Visit, code: str | None) -> Response:
    number = _page_number(visit.request.query_params.get("page", "1"))
    catalogue = edge.catalogue(visit.language)
    principal = visit.principal
    async with reads.snapshot() as snapshot:
        after = await snapshot.cursor()
        if code is None:
            code = await snapshot.only_root(principal.organisation_id, principal.unit_id)
        unit = await views.find_unit(snapshot, principal, code) if code is not None else None
        organisation = await snapshot.organisation(principal.organisation_id)
        context = await views.coverage_context(
            snapshot,
            principal.organisation_id,
            unit.id if unit else None,
            (number - 1) * views.PAGE_ROWS,
            views.PAGE_ROWS,
        )
    path = f"/coverage/{quote(unit.code, safe='/')}" if unit else "/"
    if number > 1 and not context["rows"]:  # there are fewer pages: "no units here yet" would be wrong
        return RedirectResponse(path, 303, {"cache-control": "no-store"})
    context |= {
        "unit": unit,
        "organisation": organisation,
        "page": views.page_of(path, number, len(context["rows"]), context["count"]),
        "section": "coverage",
        "live": views.live_url(after, coverage=unit.code if unit else ""),
        "status_line": views.as_of(visit.now, catalogue, visit.language),
    }
    return edge.page(visit.request, "coverage.html", context, personal=False, principal=principal)


def _page_number(raw: str) -> int:
    return max(1, int(raw)) if raw.isascii() and raw.isdigit() and len(raw) < 6 else 1
