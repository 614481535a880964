"""Fetches the vendored files again with `npm pack` and refuses bytes whose hash is not the recorded one."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

_ROOT = Path(__file__).parent.parent
FOLDERS = (_ROOT / "services" / "registry" / "static" / "vendor", _ROOT / "tests" / "vendor")
"""Each has a `VENDOR.toml`."""


def main() -> int:
    """0, or 1 when a hash differs anywhere."""
    return max([renew(folder) for folder in FOLDERS])


def renew(folder: Path) -> int:
    """Replace the files that `VENDOR.toml` names by those of its packages; 1 when a hash differs, with nothing kept."""
    files: list[dict[str, str]] = tomllib.loads((folder / "VENDOR.toml").read_text())["file"]
    with tempfile.TemporaryDirectory() as temporary:
        packed = {spec: _pack(spec, Path(temporary)) for spec in sorted({_spec(file) for file in files})}
        fetched = {file["name"]: _member(packed[_spec(file)], file["path"]) for file in files}
    wrong = [file["name"] for file in files if hashlib.sha256(fetched[file["name"]]).hexdigest() != file["sha256"]]
    if wrong:
        sys.stderr.write(f"not what {folder / 'VENDOR.toml'} records: {', '.join(wrong)}\n")
        return 1
    for name, content in fetched.items():
        (folder / name).write_bytes(content)
    return 0


def _spec(file: dict[str, str]) -> str:
    return f"{file['package']}@{file['version']}"


def _pack(spec: str, folder: Path) -> Path:
    packed = subprocess.run(
        ["npm", "pack", spec, "--silent"], cwd=folder, check=True, capture_output=True, text=True, timeout=120
    )
    return folder / packed.stdout.strip().splitlines()[-1]


def _member(archive: Path, path: str) -> bytes:
    with tarfile.open(archive) as packed:
        member = packed.extractfile(f"package/{path}")
        if member is None:
            raise FileNotFoundError(path)
        return member.read()


if __name__ == "__main__":
    sys.exit(main())
