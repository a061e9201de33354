"""Lines that were written for a terminal, as text. Pure."""

import re

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def as_shown(line: str) -> str:
    """Return what is to be seen of a line in the end: no colours, and of a progress bar its last state."""
    plain = _SEQUENCE.sub("", line).rstrip("\r").rpartition("\r")[2]
    return _CONTROL.sub("", plain)
