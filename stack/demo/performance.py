"""The whole demo: everything started, the district loaded, the workers played, the outcome told."""

import time
from collections.abc import Callable

from stack.demo.play import FAILURES, Theatre, load, play, theatre
from stack.demo.score import Score
from stack.demo.show import table
from stack.folder import RunFolder
from stack.report import Report
from stack.running import Options, Product, Running, running, tell

_SHOWN = 12
"""Failures that are told one by one: the first ones say what is wrong."""


async def perform(
    folder: Callable[[], RunFolder], options: Options, report: Report, product: Product, *, once: bool
) -> int:
    """Runs the demo; with `once` it ends after the workers, with 0 when every expectation is met."""
    began, held = time.monotonic(), folder()
    try:
        async with running(held, options, report, product) as system:
            score = await system.launcher.while_all_live(_play(system, report))
            _tell_score(score, report, began)
            if not score.good:
                report.line(f"Look into {held.log} and at {system.endpoints.services['console']}.")
            if once:
                return 0 if score.good else 1
            await _stay(system, options, report)
    finally:
        held.close(keep_log=True)
    return 0


async def stay_up(
    folder: Callable[[], RunFolder], options: Options, report: Report, product: Product, *, empty: bool
) -> int:
    """Runs for ever, with the made-up district unless `empty`, and without workers."""
    held = folder()
    try:
        async with running(held, options, report, product) as system:
            if not empty:
                async with theatre(system.endpoints) as stage:
                    if failed := await system.launcher.while_all_live(_load(stage, report)):
                        report.failure(failed)
                        return 1
            await _stay(system, options, report)
    finally:
        held.close(keep_log=True)
    return 0


async def _stay(system: Running, options: Options, report: Report) -> None:
    tell(system.endpoints, options, report)
    report.line("Running. Ctrl-C stops it.")
    await system.launcher.watch()


async def _play(system: Running, report: Report) -> Score:
    async with theatre(system.endpoints) as stage:
        if failed := await _load(stage, report):
            return Score(problems=[failed])
        return await play(stage, report.console)


async def _load(stage: Theatre, report: Report) -> str:
    """Loads the district; returns what went wrong."""
    try:
        with report.step("a made-up district: booths, phones, channels"):
            await load(stage)
    except FAILURES as failure:
        return f"the made-up district was not loaded: {failure}"
    return ""


def _tell_score(score: Score, report: Report, began: float) -> None:
    report.console.print(table(score))
    ended = f"{score.count('verified')} verified, {score.count('refused')} refused"
    report.line(f"{len(score.lines)} appointments: {ended}{', as expected' if score.good else ''}.")
    first, done = _after(score.first, began), _after(time.monotonic(), began)
    report.line(f"First one verified {first} after the start; all done after {done}.")
    failures = score.failures()
    for sentence in failures[:_SHOWN]:
        report.failure(sentence, what="not as expected")
    if len(failures) > _SHOWN:
        report.line(f".. and {len(failures) - _SHOWN} more.")


def _after(moment: float | None, began: float) -> str:
    return "never" if moment is None else f"{moment - began:.0f} s"
