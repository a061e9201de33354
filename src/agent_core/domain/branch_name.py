"""Which branch names a job may use.

Narrower than `git check-ref-format`, which accepts names that later fail to lock (300 bytes) or that mean something
else (`@`, `refs/heads/x`, `$(id)`).
"""

import re

_ALLOWED = re.compile(r"[A-Za-z0-9._/-]+")
MAX_LENGTH = 200
MAX_PART = 100


def branch_name_problem(name: str) -> str | None:
    """Say why `name` cannot be a job's branch, or None when it can."""
    if not name:
        return "must not be empty"
    if len(name) > MAX_LENGTH:
        return f"must not be longer than {MAX_LENGTH} characters"
    if not _ALLOWED.fullmatch(name):
        return "may hold letters, digits, '.', '_', '-' and '/' only"
    if name == "HEAD" or name.startswith("refs/"):
        return "must be a plain branch name, not HEAD or refs/..."
    for part in name.split("/"):
        if not part:
            return "must not begin or end with '/' or hold '//'"
        if len(part) > MAX_PART:
            return f"no part between slashes may be longer than {MAX_PART} characters"
        if part.startswith((".", "-")) or part.endswith((".", ".lock")) or ".." in part:
            return "no part may begin with '.' or '-', end with '.' or '.lock', or hold '..'"
    return None
