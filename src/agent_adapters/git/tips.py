"""What the branches of the origin are, as far as the server knows."""

import os
import time

from attrs import define, field

ORIGIN_HEAD = "refs/remotes/origin/HEAD"
LISTING = (
    *("for-each-ref", "--format=%(objectname)\tnot-for-merge\tbranch '%(refname:lstrip=3)' of origin"),
    "refs/remotes/origin",
)
"""The command that lists tracking branches as a fetch lists in FETCH_HEAD what it has fetched."""
_SHA = 40
_BRANCH = b"\tbranch '"


def _after_newline(listed: bytes) -> bytes:
    return b"\n" + listed


@define
class Tips:
    """The commits of the origin's branches: what was listed at a fetch, and what was seen or done since.

    Each branch has a line of `COMMIT TAB [not-for-merge] TAB branch 'NAME' of ORIGIN`; the last line may be that of the
    origin's HEAD, which is no branch. A listing of ten thousand branches is searched and not taken apart: it takes a
    megabyte, and no time of the loop's.
    """

    _listed: bytes = field(converter=_after_newline)
    _since: dict[str, tuple[str, float]] = field(factory=dict, init=False)

    def note(self, branch: str, commit: str) -> None:
        """Note that a branch is at this commit now."""
        self._since[branch] = commit, time.monotonic()

    def take_over(self, former: "Tips", began: float) -> None:
        """Take over what was noted while the listing was on its way, which began at that time (monotonic)."""
        self._since |= {branch: noted for branch, noted in former._since.items() if noted[1] >= began}

    def commit(self, branch: str) -> str | None:
        """Return the commit of a branch, or of HEAD; None when it is not at the origin."""
        if branch in self._since:
            return self._since[branch][0]
        found = self._listed.find(_BRANCH + os.fsencode(branch) + b"' of ")
        if found < 0:
            return self.head if branch == "HEAD" else None
        return self._commit_at(self._listed.rindex(b"\n", 0, found) + 1)

    def below(self, folder: str) -> str | None:
        """Return a branch that has this name for a folder; None when there is none."""
        noted = [branch for branch in self._since if branch.startswith(f"{folder}/")]
        found = self._listed.find(_BRANCH + os.fsencode(f"{folder}/"))
        if noted or found < 0:
            return noted[0] if noted else None
        return self._branch_at(found)

    @property
    def head(self) -> str | None:
        """The commit of the origin's HEAD, as listed."""
        last = self._listed.rfind(b"\n", 0, -1) + 1
        return None if not last or _BRANCH in self._listed[last:] else self._commit_at(last)

    def at_head(self) -> list[str]:
        """Return the branches at the commit of the origin's HEAD, as listed, two at most."""
        head, found, branches = self.head, 0, list[str]()
        while head and len(branches) < 2:
            found = self._listed.find(f"\n{head}\t".encode(), found) + 1
            if not found:
                break
            named = self._listed.find(_BRANCH, found, self._listed.index(b"\n", found))
            branches += [self._branch_at(named)] if named >= 0 else []
        return branches

    def _commit_at(self, line: int) -> str:
        return self._listed[line : line + _SHA].decode()

    def _branch_at(self, found: int) -> str:
        begin = found + len(_BRANCH)
        return os.fsdecode(self._listed[begin : self._listed.index(b"' of ", begin)])
