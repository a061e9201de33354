"""The forms that an answer is written in: JSON, or what a route offers in its place or beside it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import hdrs, web
from attrs import field, frozen

from agent_adapters import wire
from agent_http.accept import preferred
from agent_http.schema import JobDiff


def _no_more(_: object) -> Mapping[str, str]:
    return {}


@frozen
class Form:
    """A media type, in UTF-8, and what makes bytes of a shape, and the headers that only this form has."""

    media_type: str
    write: Callable[[Any], bytes]
    headers: Callable[[Any], Mapping[str, str]] = field(default=_no_more)


def encode(shape: object) -> bytes:
    """Write a shape as JSON. What is no Unicode becomes a question mark: no answer fails for what an agent said."""
    plain = wire.to_json(shape)
    try:
        return msgspec.json.encode(plain)
    except UnicodeEncodeError:
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


JSON = Form("application/json", encode)
EVENTS = Form("text/event-stream", encode)
"""Of a stream: what is in it, it writes itself."""


def _patch(diff: JobDiff) -> bytes:
    return diff.text.encode("utf-8", "surrogateescape")


def _patch_headers(diff: JobDiff) -> Mapping[str, str]:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", diff.id)
    return {hdrs.CONTENT_DISPOSITION: f'inline; filename="{name}.diff"'}


DIFF = Form("text/x-diff", _patch, _patch_headers)


def chosen(request: web.Request, forms: Sequence[Form]) -> Form:
    """Return the form that the request's Accept prefers. Raises HTTPNotAcceptable when it allows none of several.

    An only form is sent whatever is asked for.
    """
    if len(forms) == 1:
        return forms[0]
    by_type = {form.media_type: form for form in forms}
    best = preferred(request.headers.getall(hdrs.ACCEPT, []), list(by_type))
    if best is None:
        raise web.HTTPNotAcceptable(text=f"This can be had as {' or '.join(by_type)}: the header Accept allows neither")
    return by_type[best]


def respond(body: bytes, status: int, headers: Mapping[str, str], form: Form = JSON) -> web.Response:
    """Make a response of what is written already."""
    return web.Response(body=body, status=status, headers=headers, content_type=form.media_type, charset="utf-8")
