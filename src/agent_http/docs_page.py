"""The contract for people and programs: /openapi.json, and /docs, which shows it. Both are open to everybody."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from attrs import field, frozen

from agent_core.app import AgentCore
from agent_http.access import add_route
from agent_http.app import routes
from agent_http.etags import REVALIDATED, has_already, unchanged
from agent_http.forms import JSON
from agent_http.openapi import openapi_document
from agent_http.parts import Part

PLACE = Path(__file__).with_name("swagger")
HTML, SCRIPT, STYLE, PNG = "text/html", "text/javascript", "text/css", "image/png"
FILES: Mapping[str, tuple[str, str]] = {
    "/docs": ("index.html", HTML),
    "/docs/start.js": ("start.js", SCRIPT),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js.gz", SCRIPT),
    "/docs/swagger-ui.css": ("swagger-ui.css.gz", STYLE),
    "/docs/favicon-32x32.png": ("favicon-32x32.png", PNG),
}
"""The page's files and their media types, by path."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files, and the small pictures that stand in its style sheet."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    hdrs.CACHE_CONTROL: REVALIDATED,
    hdrs.VARY: hdrs.ACCEPT_ENCODING,
}


def docs(core: AgentCore) -> Part:
    """Serve the document of the whole route table, and the page that shows it."""
    return lambda app: add_docs(app, lambda: openapi_document(routes(core)))


def add_docs(app: web.Application, document: Callable[[], Mapping[str, object]]) -> None:
    """Serve the document at /openapi.json, and the page that shows it at /docs.

    All are made, or read, when somebody asks for them first: the document takes a third of a second.
    """

    def written() -> _File:
        text = json.dumps(document(), ensure_ascii=False, separators=(",", ":"))
        return _File.of(text.encode(), JSON.media_type)

    add_route(app, hdrs.METH_GET, "/openapi.json", _serving(written), None)
    for path, (name, media_type) in FILES.items():
        add_route(app, hdrs.METH_GET, path, _serving(partial(_read, name, media_type)), None)


@frozen
class _File:
    """A file, packed by gzip as most will take it."""

    packed: bytes = field(repr=False)
    media_type: str

    @classmethod
    def of(cls, content: bytes, media_type: str) -> "_File":
        return cls(gzip.compress(content, mtime=0), media_type)

    @property
    def tag(self) -> str:
        return hashlib.sha256(self.packed).hexdigest()[:32]


def _read(name: str, media_type: str) -> _File:
    content = (PLACE / name).read_bytes()
    return _File(content, media_type) if name.endswith(".gz") else _File.of(content, media_type)


def _serving(load: Callable[[], _File]) -> Handler:
    once = cache(load)

    async def serve(request: web.Request) -> web.Response:
        file = await asyncio.to_thread(once)
        tag, charset = file.tag, None if file.media_type == PNG else "utf-8"
        headers = dict(HEADERS)
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower():
            headers |= {hdrs.ETAG: f'"{tag}"', hdrs.CONTENT_ENCODING: "gzip"}
            body = file.packed
        else:
            headers |= {hdrs.ETAG: f'"{tag}-plain"'}
            body = await asyncio.to_thread(gzip.decompress, file.packed)
        response = web.Response(body=body, headers=headers, content_type=file.media_type, charset=charset)
        return unchanged(response) if has_already(request, response) else response

    return serve
