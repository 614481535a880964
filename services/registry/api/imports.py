"""Imports: a table goes up as a stream, is worked on in the background, and what was not taken comes back."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from services.registry.api.keys import Keys
from services.registry.domain.failures import FILE_FAILURES, ImportsBusy, UploadBroken
from services.registry.domain.importing import Job, Kind
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.sheet import ADDED, safe_cell
from services.registry.service import Importing, Service
from services.registry.service.importing import JobView, RejectedRow, Running
from services.registry.store.uploads import spool
from shared.errors import Failure
from shared.events import Language
from shared.i18n import Catalogues
from shared.lifecycle import Tasks
from shared.web import json_response

AT_ONCE = 2
"""Imports at once, with their uploads: each may hold 200 MB on disk and a connection."""


class Desk:
    """Takes uploads in and has them worked on."""

    def __init__(self, importing: Importing, tasks: Tasks) -> None:
        """`tasks` outlive the request."""
        self._importing = importing
        self._tasks = tasks
        self._busy = 0

    def check(self, principal: Principal) -> None:
        """Before an upload is read. Raises NotPermitted, ImportsBusy."""
        principal.require(Permission.IMPORT)
        if self._busy >= AT_ONCE:
            raise ImportsBusy(retry_after=10)

    async def take(self, principal: Principal, kind: Kind, preset: str | None, body: AsyncIterator[bytes]) -> Job:
        """A job that runs in the background. Raises ImportsBusy, UploadBroken, and what `Importing.begin` raises."""
        self.check(principal)
        self._busy += 1
        stack = AsyncExitStack()
        stack.callback(self._leave)
        try:
            upload = await stack.enter_async_context(spool(body))
            running = await self._importing.begin(principal, kind, preset, upload)
        except ClientDisconnect:
            await stack.aclose()
            raise UploadBroken from None
        except BaseException:
            await stack.aclose()
            raise
        self._tasks.spawn(self._work(running, stack), f"import {running.job.id}")
        return running.job

    async def _work(self, running: Running, stack: AsyncExitStack) -> None:
        async with stack:
            await self._importing.work(running)

    def _leave(self) -> None:
        self._busy -= 1


def routes(service: Service, keys: Keys, desk: Desk, catalogues: Catalogues) -> APIRouter:
    """`/imports`."""
    router = APIRouter(prefix="/imports", tags=["imports"])
    importer = Annotated[Principal, Depends(keys.may(Permission.IMPORT))]
    spoken = Annotated[Language, Query()]

    @router.post("/units", status_code=202)
    async def import_units(principal: importer, request: Request, preset: str | None = None) -> Response:
        """Body: a CSV list of units, as the preset says, or a tree (level, code, parent, number, name_hi, name_en)."""
        job = await desk.take(principal, "units", preset, request.stream())
        return json_response(job_json(JobView(job, {}), catalogues, "en"), status=202)

    @router.post("/appointments", status_code=202)
    async def import_appointments(principal: importer, request: Request) -> Response:
        """Body: a CSV list of appointments: unit, post, name_hi, name_en, phone, notice_version, notice_language; if
        known gender, language, shared_phone, external_ref, notice_at. They are asked in mode invite."""
        job = await desk.take(principal, "appointments", None, request.stream())
        return json_response(job_json(JobView(job, {}), catalogues, "en"), status=202)

    @router.get("/{job_id}")
    async def show(principal: importer, job_id: UUID, language: spoken = "en") -> Response:
        """How far it is; which problems there are, the most frequent first."""
        return json_response(job_json(await service.importing.show(principal, job_id), catalogues, language))

    @router.get("/{job_id}/rejects.csv")
    async def rejects(principal: importer, job_id: UUID, language: spoken = "en") -> Response:
        """What was not taken: the uploaded columns and the reasons. Correct it and upload it as it is."""
        view = await service.importing.show(principal, job_id)
        return reject_file(service.importing, view.job, catalogues, language)

    return router


def reject_file(importing: Importing, job: Job, catalogues: Catalogues, language: Language) -> Response:
    """The reject file of a job, streamed: UTF-8 with a byte-order mark, so that Excel opens it."""
    name = f"{job.kind}-rejects.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    lines = _lines(importing, job, catalogues, language)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(importing: Importing, job: Job, catalogues: Catalogues, language: Language) -> AsyncIterator[bytes]:
    yield b"\xef\xbb\xbf" + _line([*importing.columns(job), *ADDED])
    async for row in importing.rejects(job):
        yield _line(_cells(row, catalogues, language))


def _cells(row: RejectedRow, catalogues: Catalogues, language: Language) -> list[str]:
    codes = " ".join(dict.fromkeys(problem.code for problem in row.problems))
    messages = " / ".join(
        f"{problem.field}: {said(problem, catalogues, language)}"
        if problem.field
        else said(problem, catalogues, language)
        for problem in row.problems
    )
    return [*map(safe_cell, row.cells), str(row.number), codes, messages]


def _line(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def said(failure: Failure, catalogues: Catalogues, language: Language) -> str:
    """What happened, in `language`."""
    return catalogues[language].gettext(failure.template).format(**failure.details)


def job_json(view: JobView, catalogues: Catalogues, language: Language) -> dict[str, Any]:
    """An import, its counts and its problems."""
    job = view.job
    problem = _problem(job)
    return {
        "id": str(job.id),
        "kind": job.kind,
        "preset": job.preset,
        "state": job.state,
        "problem": said(problem, catalogues, language) if problem else None,
        "problem_code": job.problem,
        "encoding": job.encoding,
        "total_bytes": job.total_bytes,
        "bytes": job.counts.bytes,
        "rows": job.counts.rows,
        "accepted": job.counts.accepted,
        "unchanged": job.counts.unchanged,
        "rejected": job.counts.rejected,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "problems": [{"code": code, "rows": rows} for code, rows in view.problems.items()],
    }


def _problem(job: Job) -> Failure | None:
    if job.problem is None:
        return None
    details: dict[str, Any] = dict(job.problem_details or {})
    return FILE_FAILURES[job.problem](**details)
