"""Requests with an Idempotency-Key: what tells one from another, and how an answer is put away and taken out again."""

import hashlib
import json
from collections.abc import Mapping

from aiohttp import web
from attrs import frozen

from agent_core.domain.errors import InvalidValue
from agent_http.access import CALLER
from agent_http.authority import ADMIN

KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_KEY = 255


@frozen
class Reply:
    """An answer as it goes out."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def packed(self) -> bytes:
        """Write all of it into one string of bytes."""
        return json.dumps([self.status, dict(self.headers)]).encode() + b"\n" + self.body


def unpacked(content: bytes) -> Reply:
    """Read what `Reply.packed` wrote, as an answer that says that it was given before."""
    head, _, body = content.partition(b"\n")
    status, headers = json.loads(head)
    return Reply(status, {**headers, REPLAYED: "true"}, body)


def key_of(request: web.Request) -> str | None:
    """Return the request's key, or None. Raises InvalidValue for one that cannot be a key.

    The key of a named token is its own: it stands after the name, by a line break that no key has.
    """
    keys = request.headers.getall(KEY, [])
    if not keys:
        return None
    [key, *others] = keys
    if others:
        raise InvalidValue(KEY, "is there twice")
    if not 1 <= len(key) <= MAX_KEY or not all(" " <= character <= "~" for character in key):
        raise InvalidValue(KEY, f"must be 1 to {MAX_KEY} characters of printable ASCII")
    caller = request.get(CALLER)
    return key if caller is None or caller.name == ADMIN else f"{caller.name}\n{key}"


def fingerprint(request: web.Request, body: bytes) -> str:
    """Tell the request from every other: by its method, its path and the bytes of its body."""
    head = f"{request.method} {request.rel_url.raw_path}\n".encode()
    return hashlib.sha256(head + body).hexdigest()
