"""Apache Kafka's jars: fetched once by Maven as pom.xml pins them, then used without any network."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "4.3.1"
CACHE = Path(__file__).resolve().parents[2] / ".run" / f"kafka-{VERSION}"
_POM = Path(__file__).with_name("pom.xml")
_FETCH_SECONDS = 600


class KafkaMissing(RuntimeError):
    """Apache Kafka cannot be fetched or run on this machine; says what to install."""


@dataclass(frozen=True)
class Jars:
    """The program: Java, and the jars of a broker in a fixed order, as an archive of their classes demands."""

    java: Path
    folder: Path

    @property
    def class_path(self) -> str:
        """As Java wants it."""
        return ":".join(str(jar) for jar in sorted(self.folder.glob("*.jar")))

    @property
    def archive(self) -> Path:
        """Where the archive of classes of this very Java and these very jars lies, once somebody has made it."""
        found = self.java.stat()
        mark = f"{self.java} {found.st_size} {found.st_mtime_ns} {self.class_path}"
        return self.folder / f"classes-{hashlib.sha256(mark.encode()).hexdigest()[:16]}.jsa"


def fetched(cache: Path = CACHE, *, java: str = "java", maven: str = "mvn") -> Jars:
    """The jars, fetched when `cache` does not hold all of them; raises `KafkaMissing`. Safe to call from several
    processes at once."""
    program = shutil.which(java)
    if program is None:
        raise KafkaMissing("Apache Kafka needs Java 17 or newer. On Debian: apt-get install default-jre-headless")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with alone(cache, "fetching"):
        if not _complete(cache):
            _fetch(cache, maven)
    return Jars(Path(program).resolve(), cache)


@contextmanager
def alone(cache: Path, what: str) -> Iterator[None]:
    """Runs the block while no other process does the same to this `cache`."""
    with cache.with_name(f"{cache.name}.{what}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(cache: Path, maven: str) -> None:
    program = shutil.which(maven)
    if program is None:
        raise KafkaMissing(
            f"Apache Kafka {VERSION} is fetched by Maven, and there is none. On Debian: apt-get install maven"
        )
    shutil.rmtree(cache, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={cache}", "-DincludeScope=runtime"]
    try:
        # -C: a jar whose checksum is wrong is refused.
        done = subprocess.run(
            [program, "-q", "-B", "-C", "-f", _POM, *goal],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise KafkaMissing(f"Maven did not fetch Apache Kafka {VERSION} within {_FETCH_SECONDS} s") from slow
    if done.returncode != 0:
        raise KafkaMissing(f"Maven could not fetch Apache Kafka {VERSION}:\n{done.stdout.decode(errors='replace')}")
    _stamp(cache).write_text(_wanted(cache), encoding="utf-8")


def _complete(cache: Path) -> bool:
    """Whether what lies there is what Maven put there for this very pom.xml."""
    stamp = _stamp(cache)
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _wanted(cache)


def _stamp(cache: Path) -> Path:
    return cache / "complete"


def _wanted(cache: Path) -> str:
    names = sorted(f"{jar.name} {jar.stat().st_size}" for jar in cache.glob("*.jar"))
    return "\n".join([hashlib.sha256(_POM.read_bytes()).hexdigest(), *names, ""])
