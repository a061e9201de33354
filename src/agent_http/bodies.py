"""Request bodies: one JSON object in UTF-8, within a time and a size, and nothing that two readers could read in two
ways."""

import asyncio
import json

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

MAX_BYTES = 1024 * 1024
_NOT_AN_OBJECT = "The body is not a JSON object"


async def read_object(request: web.Request, patience: float) -> dict[str, object]:
    """Read the body. Raises aiohttp's HTTPException: 400, 408, 413 or 415, with a sentence as its text."""
    if not request.body_exists:
        raise web.HTTPBadRequest(text=f"{_NOT_AN_OBJECT}: it is empty")
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="The body must be sent with Content-Type: application/json")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise web.HTTPBadRequest(text=f"{_NOT_AN_OBJECT} in UTF-8: its charset is another one")
    return _parsed(await _read(request, patience))


async def _read(request: web.Request, patience: float) -> bytes:
    try:
        async with asyncio.timeout(patience):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"The body did not arrive within {patience:g} seconds") from None
    except web.HTTPRequestEntityTooLarge:
        raise web.HTTPRequestEntityTooLarge(
            MAX_BYTES, text=f"The body must not be longer than {MAX_BYTES // 1024} KiB"
        ) from None
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError):
        raise web.HTTPBadRequest(text="The body ended early or was not encoded as its headers say") from None


def _parsed(raw: bytes) -> dict[str, object]:
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise web.HTTPBadRequest(text=f"{_NOT_AN_OBJECT}: it is nested too deep") from None
    except ValueError as error:  # of the decoder, of int() for thousands of digits, and our own
        raise web.HTTPBadRequest(text=f"{_NOT_AN_OBJECT}: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(text=_NOT_AN_OBJECT)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name[:64]!r} is there twice")
        found[name] = value
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
