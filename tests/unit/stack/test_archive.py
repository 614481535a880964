"""The archive of Java's classes: only ever a whole one."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stack.kafka import Jars, archive


class Cluster:
    """One node that needs a minute for its archive."""

    def __init__(self, *_: object, flags: tuple[str, ...]) -> None:
        """Told where to write."""
        self._written = Path(flags[0].partition("=")[2])
        self.exit_code: int | None = None

    @property
    def children(self) -> list[Any]:
        """The node is its own process."""
        return [self]

    def starting(self) -> Iterator[None]:
        """At once."""
        yield from ()

    def end(self, seconds: float) -> None:
        """SIGTERM, and SIGKILL after `seconds`."""
        self._written.touch()
        self.exit_code = 143 if seconds >= 60 else -9

    def stop(self) -> None:
        """It has ended."""


@pytest.mark.parametrize(("seconds", "kept"), [(None, True), (20.0, False)])
def test_what_java_had_no_time_to_write_to_the_end_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float | None, kept: bool
) -> None:
    jars = Jars(Path(sys.executable), tmp_path)
    monkeypatch.setattr(archive, "KafkaCluster", Cluster)
    monkeypatch.setattr(archive, "fresh_test_folder", lambda: SimpleNamespace(close=lambda: None))
    if seconds is not None:
        monkeypatch.setattr(archive, "_WRITING_SECONDS", seconds)
    archive._make(jars)
    assert jars.archive.exists() is kept
