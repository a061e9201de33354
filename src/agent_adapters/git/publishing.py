"""From a worktree's files to a commit on the branch at the origin."""

import asyncio
from datetime import datetime

from attrs import frozen

from agent_adapters.git.author import Author
from agent_adapters.git.changes import Difference, changes
from agent_adapters.git.clone import Clone
from agent_adapters.git.failures import failure
from agent_adapters.git.lfs import is_used, large_files, upload
from agent_adapters.git.origin import Origin, PushResult
from agent_adapters.git.tampering import refuse_tampered
from agent_adapters.git.work import Work
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Publication, PublishCheck


@frozen(kw_only=True)
class Publishing:
    """Publishes work, and finds what it published before."""

    origin: Origin
    author: Author

    async def publish(self, work: Work, branch: str, message: str, at: datetime, check: PublishCheck) -> Publication:
        """Do what `RepoStore.publish` promises."""
        clone, base = work.clone, work.base
        await clone.guard()
        refuse_tampered(work.checkout.record, clone.name)
        if work.is_lost:
            raise RepoStoreError(
                f"The worktree {work.checkout.path} is gone or empty: there is nothing to publish", code="worktree_lost"
            )
        staging = work.staging()
        tree = await staging.tree(base.sha)
        if tree == base.tree:
            ahead = await self.origin.is_ahead(clone, base)
            return Publication(commit_sha=base.sha, changed=False, ahead=ahead)
        # Beside each other, since a commit that nothing points to does no harm where it is refused.
        seen, made = await asyncio.gather(
            _looked_at(work, tree, check),
            self.author.commit(clone, tree, base.sha, message, at),
            return_exceptions=True,
        )
        if isinstance(seen, BaseException):
            raise seen
        if isinstance(made, BaseException):
            raise made
        (found, has_large), commit = seen, made
        if has_large:
            await upload(self.origin, clone, base.sha, await large_files(staging, found))
        clone.knows(commit, tree)
        pushed = await self.origin.push(clone, commit, branch)
        if not pushed.accepted:
            commit = await self._found_at_origin(clone, branch, tree, pushed)
        return Publication(commit_sha=commit, changed=True, ahead=tree != base.default_tree, files_changed=len(found))

    async def _found_at_origin(self, clone: Clone, branch: str, tree: str, pushed: PushResult) -> str:
        """Return the branch's commit at the origin when it has the very same files; raise what the push deserves."""
        if pushed.flag == "!":
            async with clone.lock:
                tip = await self.origin.fetch_branch(clone, branch)
            if tip is not None and tip[1] == tree:
                return tip[0]
        if pushed.overtaken:
            raise RepoStoreError(
                f"Somebody else's commits are on the branch {branch} at the origin, made since this job began: "
                "nothing was overwritten. Retry the job, which then goes on from those commits",
                code="push_rejected",
            )
        reason = f" {pushed.reason}" if pushed.reason else ""
        raise failure(
            f"The branch {branch} could not be pushed to {clone.name}{reason}",
            pushed.outcome,
            "push_failed",
            clone.try_it() if pushed.flag != "!" else "",
        )


async def _looked_at(work: Work, tree: str, check: PublishCheck) -> tuple[list[Difference], bool]:
    """Have the check see what differs; return that, and whether large files may be among it."""
    changed = await changes(work.clone, work.base.tree, tree)

    def look() -> tuple[list[Difference], bool]:
        found = changed.differences()
        check([difference.change for difference in found])
        return found, is_used(work.checkout.path, found)

    # In a thread: to search megabytes for secrets takes longer than the loop may stand still.
    return await asyncio.to_thread(look)
