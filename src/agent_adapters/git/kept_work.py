"""Work that is saved in the repository and not pushed: one commit on its base, under a ref of the job's own.

Agents can write refs. What was kept is therefore also noted where they cannot: else one could put commits under the
work, which would be pushed with it and never be looked at.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from agent_adapters.git.author import Author
from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.files import write_whole
from agent_adapters.git.origin import Origin
from agent_adapters.git.work import Work

_log = logging.getLogger(__name__)

PREFIX = "refs/agent/kept/"
_REF = re.compile(r"refs/agent/kept/([A-Za-z0-9][A-Za-z0-9-]*)")


@frozen(kw_only=True)
class KeptCommit:
    """A commit that was kept, its files, and the commit that the work began at."""

    sha: str
    tree: str
    base_sha: str
    base_tree: str


@frozen(kw_only=True)
class KeptWork:
    """Saves work and finds it again."""

    origin: Origin
    author: Author

    async def save(self, work: Work, job_id: str, message: str, at: datetime) -> str | None:
        """Save how the worktree differs from its base as the job's, and return the ref; None where it does not."""
        clone, base, path = work.clone, work.base, work.checkout.path
        if work.is_lost:
            return None
        staging = work.staging()
        tree = await staging.tree(base.sha, lenient=True)
        if staging.dropped:
            _log.warning("%s: kept without the repositories in it: %s", path, ", ".join(staging.dropped))
        if tree == base.tree:
            return None
        began_at = await clone.run("cat-file", "-e", f"{base.sha}^{{commit}}")
        if not began_at.ok:
            raise failure(f"The work in {path} could not be kept", began_at, "worktree_failed")
        commit = await self.author.commit(clone, tree, base.sha, message, at)
        await asyncio.to_thread(_note, clone, job_id, commit)
        kept = await self.origin.patiently(clone, "update-ref", f"{PREFIX}{job_id}", commit)
        if not kept.ok:
            raise failure(f"The work in {path} could not be kept", kept, "worktree_failed")
        return f"{PREFIX}{job_id}"

    async def find(self, clone: Clone, ref: str) -> KeptCommit | None:
        """Return what is kept under the ref; None when nothing is, or not what the server put there."""
        named = _REF.fullmatch(ref)
        if named is None:
            return None
        asked = await clone.run("rev-parse", f"{ref}^{{commit}}", f"{ref}^{{tree}}", f"{ref}^1", f"{ref}^1^{{tree}}")
        if not asked.ok:
            return None
        sha, tree, base_sha, base_tree = asked.lines
        known = await asyncio.to_thread(noted, clone, named[1])
        if sha not in known and (known or not await self._is_at_origin(clone, base_sha)):
            _log.warning("%s of %s was changed by somebody and is not used", ref, clone.name)
            return None
        return KeptCommit(sha=sha, tree=tree, base_sha=base_sha, base_tree=base_tree)

    async def _is_at_origin(self, clone: Clone, commit: str) -> bool:
        """Whether a branch of the origin holds the commit. Good enough for what was kept before notes were taken."""
        listed = await clone.run("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes/origin")
        return listed.ok and bool(listed.out)


def _note(clone: Clone, job_id: str, commit: str) -> None:
    notes = clone.private / "kept"
    notes.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(notes / job_id, "\n".join([commit, *noted(clone, job_id)[:1]]))


def noted(clone: Clone, job_id: str) -> Sequence[str]:
    """Return what was kept for the job, the last first: the one before it is there while the ref still names it."""
    try:
        return (clone.private / "kept" / job_id).read_text().split()
    except OSError:
        return ()
