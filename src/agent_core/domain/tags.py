"""Tags: the caller's own words about a job, by name."""

import re
from collections.abc import Mapping

from agent_core.domain.errors import InvalidValue
from agent_core.domain.text_rules import MAX_NAME, check_line

MAX_TAGS = 20
TAG_NAME = r"[A-Za-z0-9._/-]{1,64}"


def check_tags(field: str, tags: Mapping[str, str]) -> None:
    """Raise InvalidValue unless a job can have these tags."""
    if len(tags) > MAX_TAGS:
        raise InvalidValue(field, f"must not be more than {MAX_TAGS}")
    for name, value in tags.items():
        if not re.fullmatch(TAG_NAME, name):
            raise InvalidValue(field, f"{name[:64]!r} is no name of a tag: 1 to 64 letters, digits and . _ / -")
        check_line(f"{field}.{name}", value, MAX_NAME)
