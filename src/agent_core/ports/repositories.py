"""Where code is: bare repositories and worktrees."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attrs import Factory, field, frozen

from agent_core.domain.client import Repository
from agent_core.domain.publish_policy import FileChange


@frozen(kw_only=True)
class BareRepository:
    """The shared clone of a repository, up to date with its origin. An empty origin has no default branch."""

    path: Path
    default_branch: str | None


@frozen(kw_only=True)
class Worktree:
    """A run's private checkout, on the job's branch. `intact` says that an earlier run left it as it is."""

    repository: Repository
    job_id: str
    branch: str
    path: Path
    base_sha: str
    """The commit it was opened at: the branch's at the origin, where it exists there, else the default branch's."""
    intact: bool = False
    name: str = field(default=Factory(lambda self: self.job_id, takes_self=True))
    """Names it among those of the repository, and the last part of its path."""
    withheld: tuple[str, ...] = ()
    """Files and directories that are never part of the work, whatever is in them."""
    has_kept_work: bool = False
    """Whether the kept work that it was to be opened with is in it: put there, or on the branch already."""


@frozen(kw_only=True)
class Publication:
    """What publishing found. `commit_sha` is the branch's commit at the origin; the base where nothing was pushed."""

    commit_sha: str
    changed: bool
    """Whether the worktree's files differ from its base; only then something was pushed."""
    ahead: bool
    """Whether the branch at the origin has work that the default branch has not."""
    files_changed: int = 0
    """How many files differ from the base."""


PublishCheck = Callable[[Sequence[FileChange]], None]
"""Raises when this may not be published."""


class RepoStore(Protocol):
    """Bare repositories and worktrees. Every method raises RepoStoreError, with git's own last lines.

    Codes: `clone_failed`, `fetch_failed` (both transient when the network is to blame), `no_default_branch` (the
    branch to start from is not at the origin), `worktree_failed`, `worktree_lost` (the checkout is gone or empty),
    `push_rejected` (somebody else's commits are on the branch), `push_failed`, `repository_tampered`,
    `blocked_by_policy` (a nested repository is to be published), `git_missing`.
    Nothing that an agent left in a worktree or in the shared repository is executed by any method, and what it
    changed of the shared repository's configuration and hooks is put back by each.
    """

    def find(self, repository: Repository) -> Path | None:
        """Tell where the bare repository is, or None when it was not cloned yet."""
        ...

    async def refresh(self, repository: Repository, max_age: float = 0.0) -> BareRepository:
        """Clone the repository if it is not there, and bring it up to date with its origin.

        A look at the origin that was begun at most `max_age` seconds ago will do.
        """
        ...

    async def open_worktree(
        self,
        repository: Repository,
        job_id: str,
        branch: str,
        default_branch: str,
        *,
        name: str | None = None,
        withheld: Sequence[str] = (),
        kept_ref: str | None = None,
    ) -> Worktree:
        """Open the job's worktree on its branch, or give back the intact one of an earlier run.

        A branch that exists at the origin is continued; a new one starts at the origin's default branch. Several
        worktrees of one repository may be opened at once, but only one for a branch. `name` says which of the
        repository's it is, the job's own without it; jobs that share one take turns. Submodules and LFS files are
        there as in a fresh recursive clone. What was withheld from an intact one stays so.

        With `kept_ref` the files are those of the work that `keep` saved there, and the base is the commit which that
        work began at. Where the branch at the origin holds that work already, it is continued as ever. The work is
        left out, and `has_kept_work` tells so, when the ref is gone, or the branch has gone on from that commit.
        """
        ...

    async def publish(self, worktree: Worktree, message: str, at: datetime, check: PublishCheck) -> Publication:
        """Commit the worktree's files as one commit on its base and push it to the branch; never force.

        The same worktree, message and time give the same commit, so that a second call finds its own push. Whatever
        the agent did to HEAD, to branches or to `.git` does not matter: only the files count.

        Before anything leaves, `check` is called with every file that differs from the base, in the order of their
        paths and perhaps in another thread; not when nothing differs. What it raises is passed on, and nothing is
        pushed then. Raises `repository_tampered`, and pushes nothing, when the shared repository's configuration or
        hooks were changed while the worktree was open: by this job's agent or by another one's, who can tell.
        The work can still be kept after either. LFS objects of the work are uploaded before it is pushed.
        """
        ...

    async def keep(self, worktree: Worktree, message: str, at: datetime) -> str | None:
        """Save the worktree's changes under `refs/agent/kept/<job id>` and return the ref; None without changes."""
        ...

    async def close_worktree(self, repository: Repository, name: str, *, reusable: bool = False) -> None:
        """Remove the worktree of this name and its local branch, however much is there: nothing is fine too.

        `reusable` says that all went well in it: a store may make a later worktree of its files.
        """
        ...

    async def sweep(self, active: Collection[str], before: datetime) -> Sequence[Path]:
        """Remove worktrees whose names are not in `active` and that were last used before that time; return them."""
        ...

    async def remove(self, repository: Repository) -> bool:
        """Delete the bare repository with its worktrees; False when there was none."""
        ...


class WorkReader(Protocol):
    """Shows work, wherever it is: in a worktree, kept, or pushed. Reads only, and runs nothing of a repository's.

    Every method raises RepoStoreError: `diff_too_large`, `work_gone` when there is no such commit or worktree any more,
    or a code of `RepoStore`.
    """

    async def diff_of_worktree(self, repository: Repository, name: str) -> str:
        """Return how the worktree's files differ from its base, without what is withheld, as `git apply` takes it."""
        ...

    async def diff_of_commit(self, repository: Repository, revision: str) -> str:
        """Return what a commit, or the one that a ref names, changed against its parent, as `git apply` takes it."""
        ...

    async def stat_of_commit(self, repository: Repository, revision: str) -> str:
        """Return the same as `git diff --stat` tells it, for people."""
        ...

    async def text_at_base(self, worktree: Worktree, paths: Sequence[str]) -> str | None:
        """Return the text of the first of these files that the worktree's base has, in any letter case; or None.

        A file over 64 KiB, and one that is no text, counts as missing.
        """
        ...
