"""Origins in memory: commits, and branches that somebody else works on too."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from attrs import define, field, frozen

from agent_core.domain.client import Repository

Tree = Mapping[str, str]
"""Path to text."""


@frozen(kw_only=True)
class FakeCommit:
    """A commit: its files (path to text), its parent, and what makes its id differ from another's.

    The same content gives the same `sha`, and commits with the same `sha` are equal.
    """

    tree: Tree = field(eq=False)
    parent: "FakeCommit | None" = field(default=None, eq=False)
    message: str = field(default="", eq=False)
    at: datetime | None = field(default=None, eq=False)
    sha: str = field(init=False)

    @sha.default
    def _id(self) -> str:
        content = repr((sorted(self.tree.items()), self.parent and self.parent.sha, self.message, self.at))
        return hashlib.sha1(content.encode(errors="surrogatepass")).hexdigest()

    def is_in(self, other: "FakeCommit | None") -> bool:
        """Whether this commit is `other` or one of its ancestors."""
        while other is not None:
            if other == self:
                return True
            other = other.parent
        return False


@define(kw_only=True)
class FakeOrigin:
    """A repository at the origin. An empty one has no branches and no default branch."""

    branches: dict[str, FakeCommit] = field(factory=dict)
    default_branch: str | None = None

    def commit(self, branch: str, files: Mapping[str, str | None], message: str = "Somebody's work") -> FakeCommit:
        """Commit as somebody else does: on the branch, or for a new one on the default branch; None deletes."""
        parent = self.branches.get(branch) or self.branches.get(self.default_branch or "")
        commit = FakeCommit(tree=edited(parent.tree if parent else {}, files), parent=parent, message=message)
        self.branches[branch] = commit
        self.default_branch = self.default_branch or branch
        return commit


@frozen(kw_only=True)
class FakePush:
    """A commit that reached the origin."""

    repository: Repository
    branch: str
    commit: FakeCommit


def edited(tree: Tree, changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the tree with these files written, or deleted for None."""
    return {path: text for path, text in {**tree, **changes}.items() if text is not None}


def without(tree: Tree, base: Tree, withheld: Iterable[str]) -> dict[str, str]:
    """Return the tree with everything at or below these paths as it is in the base."""
    folders = tuple(withheld)
    ours = {path: text for path, text in tree.items() if not _is_among(path, folders)}
    return ours | {path: text for path, text in base.items() if _is_among(path, folders)}


def _is_among(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
