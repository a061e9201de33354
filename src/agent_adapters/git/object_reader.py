"""Reads a repository's objects through commands that are kept while jobs end one after the other.

There may be no answer: an object is missing, or there is too much to read. Whoever gets none runs the command by
itself, and is told what is wrong.
"""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from attrs import define, field

from agent_adapters.git.process import Git
from agent_adapters.processes.coprocess import Coprocess

DIFF_TREE = ("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames")
"""Tells how two trees differ."""
CAT_FILE = ("cat-file", "--batch")
"""Tells what is in objects."""
LIMIT = 30.0
MOST = 2**20
"""Bytes of an answer."""


@define
class ObjectReader:
    """Reads objects in one git directory."""

    git: Git
    git_dir: Path
    _kept: dict[tuple[str, ...], Coprocess] = field(factory=dict, init=False)

    async def difference(self, before: str, after: str) -> bytes | None:
        """Return what `DIFF_TREE` says of two trees."""
        said = await self._ask((*DIFF_TREE, "--stdin"), [f"{before} {after}"], "{}\n")
        header = f"{before} {after}\n".encode()
        return said[len(header) :] if said is not None and said.startswith(header) else None

    async def contents(self, names: Sequence[str]) -> bytes | None:
        """Return what `CAT_FILE` says of objects."""
        return await self._ask(CAT_FILE, names, "{} missing\n")

    async def _ask(self, command: tuple[str, ...], lines: Sequence[str], echo: str) -> bytes | None:
        if command not in self._kept:
            self._kept[command] = self.git.kept(*command, git_dir=self.git_dir)
        # Both give back what they do not know; and this cannot be known before, so that nobody can put it into a file.
        unknown = f"end-{uuid4().hex}"
        question = "\n".join([*lines, unknown, ""])
        return await self._kept[command].ask(question.encode(), echo.format(unknown).encode(), limit=LIMIT, most=MOST)
