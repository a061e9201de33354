"""What a lifeline is to do, as bytes on its socket."""

import marshal
import os
from collections.abc import Mapping, Sequence
from os import fsencode

_LENGTH = 8
"""Bytes in front of a request that tell its length."""
Request = tuple[list[bytes], bytes, dict[bytes, bytes], str, float]
"""A command's words, directory, whole environment, mark (a NAME=value of that), and seconds between TERM and KILL."""


def request_bytes(argv: Sequence[str], cwd: str, environ: Mapping[str, str], mark: str, grace: float) -> bytes:
    """Write a request down. Raises ValueError for what no system can start: a NUL ends words there."""
    words, place = [fsencode(word) for word in argv], fsencode(cwd)
    variables = {fsencode(name): fsencode(value) for name, value in environ.items()}
    if b"\0" in b"".join((*words, place, *variables, *variables.values())):
        raise ValueError("embedded null byte")
    request = marshal.dumps((words, place, variables, mark, float(grace)))
    return len(request).to_bytes(_LENGTH, "big") + request


def read_request(server: int) -> Request | None:
    """Wait for the request; None when the server has thought better of it, or is gone."""
    length = _exactly(server, _LENGTH)
    words = length and _exactly(server, int.from_bytes(length, "big"))
    return marshal.loads(words) if words else None  # noqa: S302 - the server's own words


def _exactly(server: int, size: int) -> bytes:
    heard = b""
    while len(heard) < size:
        more = os.read(server, size - len(heard))
        if not more:
            return b""
        heard += more
    return heard
