"""A child process that is frozen does nothing until it is thawed, however many threads it has; one that nobody waits
for any more is ended."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.child import Child, Command
from stack.embedded.starting import together
from stack.folder import RunFolder, fresh_test_folder
from tests.e2e.world import until

THREADS = """
import sys, threading
def count(number):
    with open(f"{sys.argv[1]}/{number}", "w") as file:
        while True:
            file.write("x")
            file.flush()
for number in range(8):
    threading.Thread(target=count, args=(number,)).start()
"""


@pytest.fixture
def folder() -> Iterator[RunFolder]:
    held = fresh_test_folder()
    yield held
    held.close()


def test_nothing_of_a_frozen_process_runs_and_all_of_it_after_it_was_thawed(folder: RunFolder, tmp_path: Path) -> None:
    def written() -> list[int]:
        return [path.stat().st_size for path in sorted(tmp_path.iterdir())]

    child = Child(Command("threads", [sys.executable, "-c", THREADS, tmp_path], tmp_path), folder)
    try:
        until(lambda: len(written()) == 8 and all(written()), "all threads write", 60)
        for _ in range(20):
            child.freeze()
            frozen = written()
            assert written() == frozen
            child.thaw()
            until(lambda: all(now > then for now, then in zip(written(), frozen, strict=True)), "all go on", 60)  # noqa: B023
    finally:
        child.end()


def test_programs_whose_end_nobody_waits_for_any_more_are_ended(folder: RunFolder) -> None:
    children = [Child(Command(name, ["/bin/sleep", "600"], folder.path), folder) for name in ("one", "other")]
    waiting = together(child.finishing(600) for child in children)
    next(waiting)
    assert [child.exit_code for child in children] == [None, None]
    waiting.close()
    assert None not in [child.exit_code for child in children]
