"""Static files under names that carry their hash: cached for ever, and never stale (portal.md P4)."""

import hashlib
import mimetypes
from collections.abc import Iterable
from pathlib import Path

from fastapi import APIRouter, Response

from shared.errors import NotFound

SHARED = Path(__file__).with_name("static")
"""The look that all services share: `boothline.css`."""

_FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """Files of some folders, read once; later folders win."""

    def __init__(self, *folders: Path, prefix: str = "/static") -> None:
        self._prefix = prefix
        self._names: dict[str, str] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        for folder in (SHARED, *folders):
            for path in _files(folder):
                self._add(path.relative_to(folder).as_posix(), path.read_bytes())

    def url(self, name: str) -> str:
        """The URL of `name` ("boothline.css"), for templates. Raises KeyError for a file that is missing."""
        return f"{self._prefix}/{self._names[name]}"

    def join(self, name: str, *parts: str) -> None:
        """`name` is the files `parts` one after the other, each byte for byte: fewer requests before the first paint
        (portal.md P3). Raises KeyError for a part that is missing."""
        self._add(name, b"\n".join(self._files[self._names[part]][0] for part in parts))

    def routes(self) -> APIRouter:
        """Serves the files."""
        router = APIRouter(include_in_schema=False)

        @router.get(self._prefix + "/{name:path}")
        async def static(name: str) -> Response:
            if name not in self._files:
                raise NotFound
            body, media = self._files[name]
            return Response(body, media_type=media, headers={"cache-control": _FOR_EVER})

        return router

    def _add(self, name: str, body: bytes) -> None:
        stem, dot, ending = name.rpartition(".")
        hashed = f"{stem}-{hashlib.sha256(body).hexdigest()[:12]}{dot}{ending}"
        self._names[name] = hashed
        self._files[hashed] = (body, mimetypes.guess_type(name)[0] or "application/octet-stream")


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in {".py", ".toml"})
