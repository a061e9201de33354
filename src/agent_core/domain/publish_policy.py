"""The gate before the push: what may leave this machine as a job's work."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from attrs import field, frozen

from agent_core.domain.errors import WorldError
from agent_core.domain.secrets import Secrets

MB = 1_000_000
MAX_FILE_SIZE = 50 * MB
LISTED = 20


@frozen(kw_only=True)
class FileChange:
    """One file that would be pushed. A deleted one has size 0 and nothing added."""

    path: str
    size: int
    """Bytes, after the change."""
    added: str = ""
    """The lines added, as `added_lines` finds them; empty for binary files, and for text too long to be looked at."""


@frozen(kw_only=True)
class PublishPolicy:
    """What is refused. Patterns match the whole path: `*` and `?` within one part, `**` across them."""

    max_file_size: int = MAX_FILE_SIZE
    """Bytes."""
    protected_paths: Sequence[str] = ()
    secrets: Secrets = field(factory=Secrets)

    def check(self, changes: Iterable[FileChange]) -> None:
        """Raise WorldError `blocked_by_policy`, which lists what is wrong per file, unless all may be pushed."""
        found = self.violations(changes)
        if found:
            raise WorldError(blocked_sentence(found), code="blocked_by_policy")

    def violations(self, changes: Iterable[FileChange]) -> list[str]:
        """Say per file what is wrong with it; empty when all may be pushed."""
        protected = [(pattern, _path_pattern(pattern)) for pattern in self.protected_paths]
        return [problem for change in changes for problem in self._problems(change, protected)]

    def _problems(self, change: FileChange, protected: Sequence[tuple[str, Callable[[str], bool]]]) -> Iterable[str]:
        path = _shown(change.path)
        if change.size > self.max_file_size:
            yield f"{path}: {_amount(change.size)}, more than the {_amount(self.max_file_size)} allowed"
        if self.secrets.found_in(change.added):
            yield f"{path}: an added line holds a secret"
        yield from (f"{path}: protected by {pattern}" for pattern, matches in protected if matches(change.path))


def blocked_sentence(violations: Sequence[str]) -> str:
    """Put what was found into the sentence that a job fails with."""
    more = f" and {len(violations) - LISTED} more" if len(violations) > LISTED else ""
    return f"The work may not be published: {'; '.join(violations[:LISTED])}{more}"


def added_lines(before: str, after: str) -> str:
    """Return the lines of `after` that `before` has not, in order; a line that only moved is not among them."""
    known = Counter(before.splitlines(keepends=True))
    added = []
    for line in after.splitlines(keepends=True):
        if known[line] > 0:
            known[line] -= 1
        else:
            added.append(line)
    return "".join(added)


def _amount(size: int) -> str:
    return f"{size / MB:.1f} MB" if size >= MB else f"{size} bytes"


def _shown(path: str) -> str:
    """The path as it can stand in a sentence: an agent may have put line breaks and bytes of no encoding into it."""
    return path if path.isprintable() else repr(path)


def _path_pattern(pattern: str) -> Callable[[str], bool]:
    if "**" not in pattern and "/" not in pattern:
        return lambda path: fnmatchcase(path.rpartition("/")[2], pattern)
    rooted = pattern.removeprefix("/")
    parts = (re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for part in rooted.split("**"))
    expression = re.compile(".*".join(parts).replace(".*/", "(?:.*/)?"), re.DOTALL)
    return lambda path: expression.fullmatch(path) is not None
