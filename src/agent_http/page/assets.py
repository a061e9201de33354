"""The page's own files: style, scripts, icon. Read once, named by their content, kept by browsers for good."""

import gzip
import hashlib
from pathlib import Path

from aiohttp import hdrs, web
from attrs import frozen

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOLDER = Path(__file__).parent / "static"


@frozen
class _Asset:
    media_type: str
    body: bytes
    packed: bytes
    version: str


class Assets:
    """Every file below `static` that a page may use, by its path in there."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES)
        self._found = {
            path.relative_to(folder).as_posix(): _read(path.read_bytes(), _TYPES[path.suffix]) for path in paths
        }

    def url(self, name: str) -> str:
        """Return where a file is to be had in its present version. Raises KeyError."""
        return f"/ui/static/{name}?v={self._found[name].version}"

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the file that the path names. Raises HTTPNotFound."""
        asset = self._found.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        is_current = request.query.get("v") == asset.version
        headers = {
            hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable" if is_current else "no-cache",
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
        }
        body = asset.body
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            body, headers[hdrs.CONTENT_ENCODING] = asset.packed, "gzip"
        return web.Response(body=body, headers=headers, content_type=asset.media_type, charset="utf-8")


def _read(body: bytes, media_type: str) -> _Asset:
    return _Asset(media_type, body, gzip.compress(body, mtime=0), hashlib.sha256(body).hexdigest()[:16])
