"""The broker's classes as Java keeps them in memory: a node is ready in 2 s instead of 3 (busy: 8)."""

import signal
from pathlib import Path

from stack.embedded.starting import drive
from stack.folder import fresh_test_folder
from stack.kafka.cluster import KafkaCluster
from stack.kafka.jars import CACHE, Jars, alone, fetched

_WRITING_SECONDS = 120.0
"""An idle machine needs some 5 s."""


def prepared(cache: Path = CACHE) -> Jars:
    """Jars with the archive of their classes, which the first caller makes (some 10 s); raises `KafkaMissing`,
    `StartFailed`. Safe to call from several processes at once."""
    jars = fetched(cache)
    with alone(cache, "archiving"):
        if not jars.archive.exists():
            _make(jars)
    return jars


def _make(jars: Jars) -> None:
    """Java writes the archive when a process ends that was told to. What a process left that was killed meanwhile is no
    archive."""
    folder = fresh_test_folder()
    unfinished = jars.archive.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    kafka = KafkaCluster(jars, folder, flags=(f"-XX:ArchiveClassesAtExit={unfinished}",))
    try:
        drive(kafka.starting())
        for child in kafka.children:
            child.end(_WRITING_SECONDS)
        whole = all(child.exit_code != -signal.SIGKILL for child in kafka.children)
    finally:
        kafka.stop()
        folder.close()
    if whole and unfinished.exists():  # some builds of Java cannot: then every start is slow, and nothing else
        unfinished.rename(jars.archive)
