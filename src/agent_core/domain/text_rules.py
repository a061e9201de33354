"""What a text may be that a caller gives: a prompt, or one line."""

import re

from agent_core.domain.errors import InvalidValue

MAX_PROMPT_BYTES = 256 * 1024
MAX_TITLE = 256
MAX_NAME = 200
_NO_LINE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def check_prompt(field: str, text: str) -> None:
    """Raise InvalidValue unless `text` can be given to an agent as it is."""
    if not text.strip():
        raise InvalidValue(field, "must not be empty")
    if "\0" in text:
        raise InvalidValue(field, "must not hold a NUL character")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidValue(field, "must be valid Unicode (it holds half of a surrogate pair)") from None
    if size > MAX_PROMPT_BYTES:
        raise InvalidValue(field, f"must not be longer than {MAX_PROMPT_BYTES // 1024} KiB in UTF-8")


def check_line(field: str, text: str, longest: int) -> None:
    """Raise InvalidValue unless `text` is one printable line of at most `longest` characters."""
    if not text.strip():
        raise InvalidValue(field, "must not be empty")
    if len(text) > longest:
        raise InvalidValue(field, f"must not be longer than {longest} characters")
    if _NO_LINE.search(text):
        raise InvalidValue(field, "must be one line of text without control characters")
