"""Entity tags: whether a caller has an answer already (RFC 9110, 8.8.3 and 13.1.2)."""

import hashlib
import re

from aiohttp import hdrs, web

REVALIDATED = "private, no-cache"
"""What has a tag may be kept by the caller itself, which asks each time whether it still holds."""
_OF_THE_BODY = (hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH, hdrs.CONTENT_ENCODING, hdrs.CONTENT_DISPOSITION)
_TAG = re.compile(r'"[^"]*"')


def tag_of(body: bytes, media_type: str) -> str:
    """Return the strong tag of an answer: another one for each other body, and for each form of it."""
    digest = hashlib.sha256(media_type.encode() + b"\n" + body).hexdigest()
    return f'"{digest[:32]}"'


def has_already(request: web.Request, response: web.Response) -> bool:
    """Whether the request's If-None-Match names the response's tag, strong or weak, or whatever has one."""
    tag = response.headers.get(hdrs.ETAG)
    if tag is None:
        return False
    told = ", ".join(request.headers.getall(hdrs.IF_NONE_MATCH, []))
    return told.strip() == "*" or tag in _TAG.findall(told)


def unchanged(response: web.Response) -> web.Response:
    """Return the answer, 304, to who has this response already."""
    kept = {name: value for name, value in response.headers.items() if name not in _OF_THE_BODY}
    return web.Response(status=304, headers=kept)
