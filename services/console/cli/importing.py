"""`boothline units | appointments import`: a file goes up as a stream, then its rows are watched."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from services.console.cli.client import Service, answer
from services.console.cli.output import Exit, Format, line, say

File = Annotated[Path, Parameter(validator=validators.Path(exists=True, dir_okay=False))]
CHUNK = 256 * 1024

units = App(name="units", help="Units: the places of the tree.")
appointments = App(name="appointments", help="Appointments.")


@units.command(name="import")
async def import_units(
    file: File,
    *,
    preset: str,
    rejects: Path | None = None,
    form: Annotated[Format, Parameter(name="--format")] = "table",
) -> int:
    """Load units from a CSV file. Running it again changes nothing. Exit code 7 if rows were rejected.

    Parameters
    ----------
    file
        CSV with the columns that the preset names.
    preset
        How the columns become levels and codes, for example in-mp-2014.
    rejects
        Where to write the rejected rows, ready to be corrected and loaded again.
    """
    return await _import("units", file, {"preset": preset}, rejects, form)


@appointments.command(name="import")
async def import_appointments(
    file: File, *, rejects: Path | None = None, form: Annotated[Format, Parameter(name="--format")] = "table"
) -> int:
    """Record appointments from a CSV file, in mode invite: a link goes out, the code when the person asks for it.

    Parameters
    ----------
    file
        CSV: unit, post, name_hi, name_en, phone, ...
    rejects
        Where to write the rejected rows, ready to be corrected and loaded again.
    """
    return await _import("appointments", file, {}, rejects, form)


async def _import(kind: str, file: Path, query: dict[str, str], rejects: Path | None, form: Format) -> int:
    registry = Service.registry()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=form == "json",
    ) as progress:
        upload = progress.add_task("sending", total=_size(file))
        async with (
            registry.session() as session,
            session.post(
                f"/v1/imports/{kind}",
                params=query,
                data=_chunks(file, lambda size: progress.advance(upload, size)),
                headers={"content-type": "text/csv"},
            ) as response,
        ):
            job = await answer(response)
        rows = progress.add_task("importing", total=None)
        while job["state"] not in {"done", "failed"}:
            await asyncio.sleep(0.3)
            job = await registry.get(f"/v1/imports/{job['id']}")
            progress.update(rows, description=f"importing, {job['rows']:,} rows", total=job.get("total_bytes"))
            progress.update(rows, completed=job.get("bytes", 0))
    if job["rejected"] and rejects:
        await _save_rejects(registry, job["id"], rejects)
    return _report(job, rejects, form)


def _size(file: Path) -> int:
    return file.stat().st_size


async def _chunks(file: Path, sent: Any) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, CHUNK):
            sent(len(chunk))
            yield chunk


async def _save_rejects(registry: Service, job: str, target: Path) -> None:
    async with registry.session() as session, session.get(f"/v1/imports/{job}/rejects.csv") as response:
        if response.status >= 400:
            await answer(response)
        with target.open("wb") as out:
            async for chunk in response.content.iter_chunked(CHUNK):
                out.write(chunk)


def _report(job: dict[str, Any], rejects: Path | None, form: Format) -> int:
    if form == "json":
        line({"schema": "boothline.import/1", "data": job})
    else:
        say(f"{job['rows']:,} rows: {job['accepted']:,} accepted, {job['rejected']:,} rejected.")
        if job.get("problem"):
            say(str(job["problem"]))
        if job["rejected"]:
            say(f"Rejected rows: {rejects}" if rejects else "Add --rejects FILE to get the rejected rows with reasons.")
    if job["state"] == "failed":
        return Exit.FAILED
    return Exit.PARTLY if job["rejected"] else Exit.FINE
