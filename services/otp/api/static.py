"""Static files under names that carry their hash, so that they may be kept for ever."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, Response

from shared.errors import NotFound

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class StaticFiles:
    """The files of a folder, read once."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        self._files: dict[str, tuple[bytes, str]] = {}
        self._urls: dict[str, str] = {}
        for path in sorted(folder.iterdir()):
            content = path.read_bytes()
            name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"
            self._files[name] = (content, _TYPES[path.suffix])
            self._urls[path.name] = f"/static/{name}"

    @property
    def urls(self) -> Mapping[str, str]:
        """File name -> its address."""
        return self._urls

    def get(self, name: str) -> tuple[bytes, str]:
        """Content and type. Raises NotFound."""
        try:
            return self._files[name]
        except KeyError:
            raise NotFound from None


def static_routes(files: StaticFiles) -> APIRouter:
    """Serves them; a changed file has another name (portal.md P4)."""
    router = APIRouter()

    @router.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        content, kind = files.get(name)
        return Response(content, headers={"cache-control": "public, max-age=31536000, immutable"}, media_type=kind)

    return router
