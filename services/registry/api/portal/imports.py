"""Imports on pages: upload, progress by reload and live, what was rejected and what to do about it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from services.registry.api.imports import Desk, reject_file
from services.registry.api.portal import views
from services.registry.api.portal.edge import Edge, Visit
from services.registry.api.portal.forms import FileMissing, KindMissing, Typed, problem_of, typed
from services.registry.domain.failures import FILE_FAILURES, ROW_FAILURES, ImportsBusy, NoSuchImport
from services.registry.domain.importing import Job, Kind
from services.registry.domain.preset import Preset
from services.registry.service import Importing
from services.registry.service.importing import JobView, RejectedRow
from services.registry.store.portal import PortalReads
from shared.errors import Failure
from shared.events import Language
from shared.i18n import Catalogues

SHOWN = 50
"""Rejected rows on the page; the file has all (portal.md 2.1)."""
_CHUNK = 256 * 1024
_KINDS: dict[str, Kind] = {"units": "units", "appointments": "appointments"}


@dataclass(frozen=True, slots=True)
class RejectView:
    """One thing that is wrong with one row."""

    row: int
    column: str
    written: str
    text: str
    code: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """How many rows have one problem."""

    count: int
    text: str


@dataclass(frozen=True, slots=True)
class ImportView:
    """An import's page."""

    id: UUID
    kind: Kind
    state: str
    created_at: datetime
    percent: int
    rows: int
    accepted: int
    unchanged: int
    rejected: int
    problem_text: str
    groups: Sequence[GroupView]
    rejects: Sequence[RejectView]


class ImportPages:
    """What the pages of imports and their live fragments show."""

    def __init__(self, importing: Importing, presets: Sequence[Preset], catalogues: Catalogues) -> None:
        """`presets` are offered for unit lists."""
        self.importing = importing
        self.presets = presets
        self.catalogues = catalogues

    async def view(self, shown: JobView, language: Language) -> ImportView:
        """The job in words of `language`, with its first rejects once it is over."""
        job = shown.job
        rows = [] if job.state == "running" else await self._first_rejects(job)
        done = job.counts.bytes / job.total_bytes if job.total_bytes else 0.0
        return ImportView(
            id=job.id,
            kind=job.kind,
            state=job.state,
            created_at=job.created_at,
            percent=int(99 * done),  # never 100 before it is over
            rows=job.counts.rows,
            accepted=job.counts.accepted,
            unchanged=job.counts.unchanged,
            rejected=job.counts.rejected,
            problem_text=self._problem(job, language),
            groups=[GroupView(count, self._generic(code, language)) for code, count in shown.problems.items()],
            rejects=self._rejects(job, rows, language),
        )

    async def _first_rejects(self, job: Job) -> Sequence[RejectedRow]:
        found: list[RejectedRow] = []
        if job.counts.rejected:
            async for row in self.importing.rejects(job):
                found.append(row)
                if len(found) == SHOWN:
                    break
        return found

    def _rejects(self, job: Job, rows: Sequence[RejectedRow], language: Language) -> Sequence[RejectView]:
        columns = list(self.importing.columns(job))
        return [
            _reject(row, problem, columns, self._say(problem, language)) for row in rows for problem in row.problems
        ]

    def _problem(self, job: Job, language: Language) -> str:
        if job.problem is None:
            return ""
        details: dict[str, Any] = dict(job.problem_details or {})
        return self._say(FILE_FAILURES[job.problem](**details), language)

    def _say(self, failure: Failure, language: Language) -> str:
        return self.catalogues[language].gettext(failure.template).format(**failure.details)

    def _generic(self, code: str, language: Language) -> str:
        """The sentence about a problem of many rows: what differs between them is left open."""
        template = " ".join((ROW_FAILURES[code].__doc__ or "").split())
        return self.catalogues[language].gettext(template).format_map(defaultdict(lambda: "…"))


def routes(edge: Edge, reads: PortalReads, desk: Desk, pages: ImportPages) -> APIRouter:
    """`/imports`: the form and the earlier ones; `/imports/{id}`: one, with its reject file."""
    router = APIRouter(route_class=edge.route_class(), include_in_schema=False)

    async def draw(visit: Visit, form: Typed, failure: Failure | None = None) -> Response:
        jobs = await pages.importing.recent(visit.principal)
        gettext = edge.gettext(visit.language)
        problems = [problem_of(failure, edge.explain(failure, visit.language), gettext)] if failure else []
        context = {
            "form": form,
            "problems": problems,
            "failed": bool(problems),
            "jobs": [_line(job) for job in jobs],
            "presets": [
                (preset.code, preset.organisation.text(visit.language), preset.units.required)
                for preset in pages.presets
            ],
            "section": "imports",
        }
        status = failure.status if failure else 200
        return edge.page(
            visit.request, "imports.html", context, status=status, personal=False, principal=visit.principal
        )

    @router.get("/imports")
    async def imports(request: Request) -> Response:
        return await draw(await edge.visit(request), Typed(kind="units"))

    @router.post("/imports")
    async def upload(request: Request) -> Response:
        visit = await edge.visit(request)
        try:
            desk.check(visit.principal)
        except ImportsBusy as failure:
            return await draw(visit, Typed(kind="units"), failure)
        async with request.form(max_files=1, max_fields=10) as sent:
            form, file = typed(sent), sent.get("file")
            try:
                if (kind := _KINDS.get(form["kind"])) is None:
                    raise KindMissing(field="kind")
                if not isinstance(file, UploadFile) or not file.filename:
                    raise FileMissing(field="file")
                job = await desk.take(visit.principal, kind, form["preset"] or None, _chunks(file))
            except Failure as failure:
                return await draw(visit, form, failure)
        return RedirectResponse(f"/imports/{job.id}", 303, {"cache-control": "no-store"})

    @router.get("/imports/{text_id}")
    async def one(request: Request, text_id: str) -> Response:
        visit = await edge.visit(request)
        async with reads.snapshot() as snapshot:
            after = await snapshot.cursor()
        shown = await pages.importing.show(visit.principal, parse_id(text_id))
        context = {
            "job": await pages.view(shown, visit.language),
            "section": "imports",
            "live": views.live_url(after, **{"import": text_id}),
            "status_line": views.as_of(visit.now, edge.catalogue(visit.language), visit.language),
        }
        return edge.page(request, "import.html", context, personal=True, principal=visit.principal)

    @router.get("/imports/{text_id}/rejects.csv")
    async def rejects(request: Request, text_id: str) -> Response:
        visit = await edge.visit(request)
        shown = await pages.importing.show(visit.principal, parse_id(text_id))
        return reject_file(pages.importing, shown.job, pages.catalogues, visit.language)

    return router


def parse_id(text: str) -> UUID:
    """The id in a path. Raises NoSuchImport."""
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchImport from None


@dataclass(frozen=True, slots=True)
class JobLine:
    """An earlier import in the list."""

    id: UUID
    kind: Kind
    state: str
    created_at: datetime
    accepted: int
    rejected: int


def _line(job: Job) -> JobLine:
    return JobLine(job.id, job.kind, job.state, job.created_at, job.counts.accepted, job.counts.rejected)


def _reject(row: RejectedRow, problem: Failure, columns: Sequence[str], text: str) -> RejectView:
    column = (problem.field or "").replace(".", "_")
    place = columns.index(column) if column in columns else -1
    written = row.cells[place] if 0 <= place < len(row.cells) else ""
    return RejectView(row.number, column, written, text, problem.code.upper())


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk
