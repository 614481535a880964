"""The private folder of one run: who holds it, which processes belong to it, and clearing what a kill -9 left."""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path

from stack.identity import Identity

_UNFIT = re.compile(r"[\s\"'\\]")  # no configuration file of a server has to quote such a path
_TEST_PREFIX = "boothline-test-"


class FolderInUse(RuntimeError):
    """Another run of the same checkout is going on."""


class FolderNotOurs(RuntimeError):
    """The folder belongs to somebody else or is open to others."""


class RunFolder:
    """Holds `path` until `close`, or until the process dies; mode 0700, for root 0711 as PostgreSQL is another user."""

    def __init__(self, path: Path) -> None:
        """Takes the folder and clears leftovers; raises `FolderInUse` or `FolderNotOurs`."""
        self._lock = _lock(path)
        self.path = path.resolve()
        self._children = self.path / "children"
        self._clear()

    @property
    def log(self) -> Path:
        """Where the children write what they say."""
        return self.path / "log"

    def record(self, child: Identity) -> None:
        """Remembers a process, so that a later start may end it."""
        with self._children.open("a", encoding="ascii") as file:
            file.write(f"{child.pid} {child.started}\n")

    def close(self, *, keep_log: bool = False) -> None:
        """Removes everything but, if asked, the logs, and lets go of the folder."""
        self._wipe(keep=("lock", "log") if keep_log else ())
        if not keep_log:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def _clear(self) -> None:
        end_all(self._recorded(), self.path)
        self._wipe(keep=("lock",))
        self.log.mkdir(mode=0o700)

    def _recorded(self) -> list[Identity]:
        try:
            lines = self._children.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return []
        pairs = (line.split() for line in lines)
        return [Identity(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2]

    def _wipe(self, keep: tuple[str, ...]) -> None:
        for entry in self.path.iterdir():
            if entry.name in keep:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def end_all(processes: list[Identity], folder: Path, *, seconds: float = 5.0) -> None:
    """Ends those processes that are provably of `folder`: SIGQUIT, which PostgreSQL takes as "now", then SIGKILL."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        ours = [process for process in processes if process.works_in(folder)]
        for process in ours:
            _send(process, number)
        deadline = time.monotonic() + seconds
        while any(process.alive for process in ours) and time.monotonic() < deadline:
            time.sleep(0.02)


def run_path(checkout: Path, name: str, base: Path | None = None) -> Path:
    """The folder of `name` for this checkout: outside it, no spaces, the same at every start."""
    digest = hashlib.sha256(str(checkout.resolve()).encode()).hexdigest()[:12]
    return (base or _state_base()) / f"{digest}-{name}"


def fresh_test_folder() -> RunFolder:
    """A folder of its own for one test session, after removing those of sessions that are dead."""
    temporary = _temporary()
    sweep(temporary)
    for _ in range(10):
        try:
            return RunFolder(Path(tempfile.mkdtemp(prefix=_TEST_PREFIX, dir=temporary)))
        except (FolderInUse, FileNotFoundError):  # another session's sweep was faster than our lock
            continue
    raise RuntimeError(f"cannot make a folder in {temporary}")


def sweep(temporary: Path) -> None:
    """Removes the folders of dead test sessions and ends the processes that they left."""
    for path in temporary.glob(f"{_TEST_PREFIX}*"):
        try:
            RunFolder(path).close()
        except (FolderInUse, FolderNotOurs, OSError):
            continue


def _lock(path: Path) -> int:
    reach = 0o711 if os.geteuid() == 0 else 0o700
    if not path.parent.exists():  # under the leash's umask nobody else, so not PostgreSQL's user, could pass through
        path.parent.mkdir(parents=True)
        path.parent.chmod(reach)
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise FolderNotOurs(f"{path} is not a folder of this user; remove it or set BOOTHLINE_STATE to another folder")
    path.chmod(reach)
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace") or "unknown"
        os.close(descriptor)
        raise FolderInUse(holder) from None
    if not (path / "lock").exists() or (path / "lock").stat().st_ino != os.fstat(descriptor).st_ino:
        os.close(descriptor)
        raise FolderInUse("a sweep that removed it between our open and our lock")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _send(process: Identity, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return


def _state_base() -> Path:
    """Root: /var/lib/boothline. Others: XDG_STATE_HOME as the XDG specification says; else the temporary folder."""
    home = Path("~").expanduser()
    base = Path("/var/lib") if os.geteuid() == 0 else home / ".local" / "state"
    if _UNFIT.search(str(base)) or not base.is_absolute() or not _can_write(base):
        return _temporary() / f"boothline-{os.geteuid()}"
    return base / "boothline"


def _can_write(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(existing, os.W_OK)


def _temporary() -> Path:
    """The system's temporary folder; /tmp where TMPDIR has a space or is closed to the server's user."""
    path = Path(tempfile.gettempdir())
    closed = any(not part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))
    return Path("/tmp") if _UNFIT.search(str(path)) or (os.geteuid() == 0 and closed) else path  # noqa: S108
