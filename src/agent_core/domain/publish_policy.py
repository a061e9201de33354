"""The gate before the push: what may leave this machine as a job's work."""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from attrs import field, frozen

from agent_core.domain.secrets import Secrets

MIB = 1024**2
LISTED = 20


@frozen(kw_only=True)
class FileChange:
    """One file that would be pushed. A deleted one has size 0 and nothing added."""

    path: str
    size: int
    """Bytes, after the change."""
    added: str = ""
    """The lines added, without their leading plus signs; empty for binary files."""


@frozen(kw_only=True)
class PublishPolicy:
    """What is refused. Patterns match the whole path: `*` and `?` within one part, `**` across them."""

    max_file_size: int = 50 * MIB
    protected_paths: Sequence[str] = ()
    secrets: Secrets = field(factory=Secrets)

    def violations(self, changes: Iterable[FileChange]) -> list[str]:
        """Say per file what is wrong with it; empty when all may be pushed."""
        protected = [(pattern, _path_pattern(pattern)) for pattern in self.protected_paths]
        return [problem for change in changes for problem in self._problems(change, protected)]

    def _problems(self, change: FileChange, protected: Sequence[tuple[str, Callable[[str], bool]]]) -> Iterable[str]:
        if change.size > self.max_file_size:
            yield f"{change.path}: {change.size / MIB:.1f} MB, more than the {self.max_file_size / MIB:g} MB allowed"
        if self.secrets.found_in(change.added):
            yield f"{change.path}: an added line holds a secret"
        yield from (f"{change.path}: protected by {pattern}" for pattern, matches in protected if matches(change.path))


def blocked_sentence(violations: Sequence[str]) -> str:
    """Put what was found into the sentence that a job fails with."""
    more = f" and {len(violations) - LISTED} more" if len(violations) > LISTED else ""
    return f"The work may not be published: {'; '.join(violations[:LISTED])}{more}"


def _path_pattern(pattern: str) -> Callable[[str], bool]:
    if "**" not in pattern and "/" not in pattern:
        return lambda path: fnmatchcase(path.rpartition("/")[2], pattern)
    rooted = pattern.removeprefix("/")
    parts = (re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for part in rooted.split("**"))
    expression = re.compile(".*".join(parts).replace(".*/", "(?:.*/)?"))
    return lambda path: expression.fullmatch(path) is not None
