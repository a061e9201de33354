"""Text from elsewhere, made fit for a terminal: nothing in it moves the cursor, changes colours or hides anything.

What agents write is under nobody's control: an escape sequence in it could rewrite what the operator has read, or set
the clipboard.
"""

import re
import unicodedata

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS: titles, links, clipboard
    r"|\x1b[ -/]*[0-Z\\^-~]"  # all other escapes
)
_JOINERS = "\u200c\u200d"
_TAB = 4


def plain_lines(text: str) -> list[str]:
    """Split into lines without escape sequences, control characters, or marks that turn the direction of writing."""
    return [_printable(line.expandtabs(_TAB)) for line in _SEQUENCE.sub("", text).splitlines()]


def plain(text: str) -> str:
    """Make it one line of the same kind."""
    return " ".join(filter(None, (line.strip() for line in plain_lines(text))))


def width(text: str) -> int:
    """Count the cells that plain text takes, roughly: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def cut(text: str, room: int) -> str:
    """Shorten plain text to so many cells, with an ellipsis at the end where something is missing."""
    if width(text) <= room:
        return text
    kept, used = "", 1
    for character in text:
        used += _cells(character)
        if used > room:
            break
        kept += character
    return f"{kept.rstrip()}…" if room > 0 else ""


def padded(text: str, room: int, *, right: bool = False) -> str:
    """Fill plain text up to so many cells with spaces, at its end or, for numbers, before it."""
    space = " " * max(room - width(text), 0)
    return space + text if right else text + space


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(character for character in line if character.isprintable() or character in _JOINERS)


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
