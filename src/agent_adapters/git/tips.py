"""What the branches of the origin are, as far as the server knows."""

import os
import time

from attrs import define, field

PREFIX = "refs/remotes/origin/"
ORIGIN_HEAD = f"{PREFIX}HEAD"
HEAD_REF = "refs/agent/origin-head"
LISTING = ("for-each-ref", "--format=%(objectname) %(refname) @%(symref)", HEAD_REF, PREFIX.rstrip("/"))
"""The command that lists them."""
_SHA = 40


def _after_newline(listed: bytes) -> bytes:
    return b"\n" + listed


@define
class Tips:
    """The commits of the origin's branches: what git listed, and what was seen or done since.

    A listing of ten thousand branches is searched and not taken apart: it takes a megabyte, and no time of the loop's.
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
        """Return the branch's commit; None when it is not at the origin."""
        return self._since[branch][0] if branch in self._since else self._at(f"{PREFIX}{branch}")

    def below(self, folder: str) -> str | None:
        """Return a branch that has this name for a folder; None when there is none."""
        noted = [branch for branch in self._since if branch.startswith(f"{folder}/")]
        found = self._listed.find(os.fsencode(f" {PREFIX}{folder}/"))
        if noted or found < 0:
            return noted[0] if noted else None
        return os.fsdecode(self._listed[found + 1 : self._listed.index(b" ", found + 1)]).removeprefix(PREFIX)

    def at_head(self) -> list[str]:
        """Return the branches at the commit of the origin's HEAD, as listed, two at most."""
        head, found, branches = self._at(HEAD_REF), 0, list[str]()
        while head and len(branches) < 2:
            found = self._listed.find(f"\n{head} {PREFIX}".encode(), found) + 1
            if not found:
                break
            _, name, target = self._listed[found : self._listed.index(b"\n", found)].split(b" ")
            branches += [] if target != b"@" else [os.fsdecode(name).removeprefix(PREFIX)]
        return branches

    @property
    def default(self) -> str | None:
        """The default branch as the clone has it."""
        _, found, rest = self._listed.partition(f" {ORIGIN_HEAD} @".encode())
        target = os.fsdecode(rest[: rest.index(b"\n")]) if found else ""
        return target.removeprefix(PREFIX) or None

    def _at(self, ref: str) -> str | None:
        found = self._listed.find(os.fsencode(f" {ref} "))
        return self._listed[found - _SHA : found].decode() if found >= 0 else None
