"""What is in a worktree, and what it began with."""

import asyncio
from pathlib import Path

from attrs import frozen

from agent_adapters.git.checkout import Checkout
from agent_adapters.git.clone import Clone
from agent_adapters.git.record import Base
from agent_adapters.git.staging import Staging
from agent_adapters.git.tips import ORIGIN_HEAD
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import Worktree


@frozen(kw_only=True)
class Work:
    """The files of a worktree, seen as changes of its base without what is withheld."""

    clone: Clone
    checkout: Checkout
    base: Base
    withheld: tuple[str, ...] = ()

    @classmethod
    async def recorded(cls, clone: Clone, name: str) -> "Work | None":
        """Return the work in a worktree by its record; None when there is none of it."""
        checkout = clone.checkout(name)
        facts = await asyncio.to_thread(checkout.facts)
        if facts is None or facts.base is None:
            return None
        return cls(clone=clone, checkout=checkout, base=facts.base, withheld=facts.withheld)

    @classmethod
    async def of(cls, clone: Clone, worktree: Worktree) -> "Work":
        """Return the work in a worktree by its record or, where that was lost, by the worktree's value."""
        await clone.ready()
        checkout = clone.checkout(worktree.name)
        facts = await asyncio.to_thread(checkout.visit)
        withheld = tuple(dict.fromkeys((facts.withheld if facts else ()) + worktree.withheld))
        if facts and facts.base and (facts.branch, facts.base.sha) == (worktree.branch, worktree.base_sha):
            return cls(clone=clone, checkout=checkout, base=facts.base, withheld=withheld)
        asked = await clone.run("rev-parse", "--verify", "-q", f"{worktree.base_sha}^{{tree}}")
        if not asked.ok:
            raise RepoStoreError(
                f"The commit {worktree.base_sha} that {checkout.path} was opened at is gone", code="worktree_lost"
            )
        head = ORIGIN_HEAD.removeprefix("refs/remotes/origin/")
        base = Base(
            sha=worktree.base_sha, tree=asked.lines[0], default_branch=head, default_sha=None, default_tree=None
        )
        return cls(clone=clone, checkout=checkout, base=base, withheld=withheld)

    @property
    def is_lost(self) -> bool:
        """Whether the files are gone."""
        return self.checkout.is_lost(self.base.tree)

    def staging(self, aside: Path | None = None) -> Staging:
        """Return what stages it."""
        return Staging(self.clone, self.checkout, self.withheld, aside)
