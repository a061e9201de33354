"""Forms as browsers send them."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

PATIENCE = 15.0
"""Seconds that a form may take to arrive."""
FORM = "application/x-www-form-urlencoded"


async def read_form(request: web.Request) -> Mapping[str, str]:
    """Read the form's fields; of one that is there twice, the last.

    Raises aiohttp's HTTPException: 400, 408, 413, 415.
    """
    if request.content_type != FORM and request.body_exists:
        raise web.HTTPUnsupportedMediaType(text="A form is to be sent as browsers send it.")
    if (request.charset or "utf-8").lower() != "utf-8":  # the sender names a codec, and some take minutes
        raise web.HTTPUnsupportedMediaType(text="A form is to be sent in UTF-8.")
    try:
        async with asyncio.timeout(PATIENCE):
            fields = await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The form did not arrive in time.") from None
    except (ValueError, LookupError, web.RequestPayloadError):
        raise web.HTTPBadRequest(text="The form cannot be read.") from None
    return {name: value.replace("\r\n", "\n") for name, value in fields.items() if isinstance(value, str)}
