"""The origin of a repository: fetching from it, pushing to it, and which of its branches is the default one."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from attrs import define, field, frozen

from agent_adapters.git.clone import LIMIT, Clone, fetching
from agent_adapters.git.configuration import TRACKING
from agent_adapters.git.failures import failure, held_locks, is_network_trouble
from agent_adapters.git.files import read, read_plain
from agent_adapters.git.process import Git, GitOutcome
from agent_adapters.git.record import Base
from agent_adapters.git.tips import LISTING, ORIGIN_HEAD, Tips

FETCH_LIMIT = 600.0
PUSH_LIMIT = 300.0
PAUSES = (1.0, 4.0)
"""Seconds before the second and the third try."""
STALE_LOCK = 60.0
"""Seconds after which a lock on a ref belongs to nobody: git holds one for milliseconds."""
LOCK_OF_THE_KILLED = 4.0
"""The same for a lock that is older than a job which was cut short, with whatever git it was running."""
_SSH = "ssh -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=15 -oServerAliveCountMax=3"

Sleep = Callable[[float], Awaitable[None]]
Run = Callable[..., Awaitable[GitOutcome]]
"""`Git.run` with its git directory."""


@frozen(kw_only=True)
class PushResult:
    """What the origin did with a push: `flag` is git's ('!' for a rejection), `reason` is its word for it."""

    flag: str
    reason: str
    outcome: GitOutcome

    @property
    def accepted(self) -> bool:
        """Whether the commit is at the origin now."""
        return self.outcome.ok and self.flag in ("*", " ", "=")

    @property
    def overtaken(self) -> bool:
        """Whether the branch at the origin has commits that the pushed one lacks."""
        return self.flag == "!" and ("fetch first" in self.reason or "non-fast-forward" in self.reason)


@define
class Origin:
    """Talks to origins. Trouble of the network is tried again; everything else is the caller's to judge."""

    git: Git
    sleep: Sleep
    _started: float = field(factory=time.time, init=False)
    _cut_short: dict[Path, float] = field(factory=dict, init=False)
    _prompts: Mapping[str, str] | None = field(default=None, init=False)

    async def fill(self, clone: Clone, draft: Path) -> None:
        """Fetch everything into a new bare repository."""
        run = partial(self.git.run, git_dir=draft)
        fetched = await self.attempt(run, draft, fetching(clone.url, TRACKING), FETCH_LIMIT)
        if not fetched.ok:
            raise failure(f"{clone.name} could not be cloned", fetched, "clone_failed", clone.try_it())

    async def fetch(self, clone: Clone) -> str | None:
        """Bring the tracking branches up to date and return the default branch. Under the lock."""
        began = time.monotonic()
        fetched = await self._on(clone, fetching(clone.url, TRACKING, "HEAD", listing=True), FETCH_LIMIT)
        if not fetched.ok and "couldn't find remote ref HEAD" in fetched.err:
            fetched = await self._on(clone, fetching(clone.url, TRACKING, listing=True), FETCH_LIMIT)
        if not fetched.ok:
            raise failure(f"{clone.name} could not be fetched", fetched, "fetch_failed", clone.try_it())
        listed, known_default = await asyncio.to_thread(_fetched, clone)
        former, clone.tips = clone.tips, Tips(listed)
        if former is not None:
            clone.tips.take_over(former, began)
        # The commit at the origin's HEAD names the default branch, unless several branches are at that commit.
        candidates = clone.tips.at_head()
        default = candidates[0] if len(candidates) == 1 else await self._ask_default(clone)
        if default is not None and default != known_default:
            await self.patiently(clone, "symbolic-ref", ORIGIN_HEAD, f"refs/remotes/origin/{default}")
        return default

    async def fetch_branch(self, clone: Clone, branch: str) -> tuple[str, str] | None:
        """Bring one tracking branch up to date; return its commit and tree, None when it is not at the origin."""
        tracking = f"refs/remotes/origin/{branch}"
        fetched = await self._on(clone, fetching(clone.url, f"+refs/heads/{branch}:{tracking}"), FETCH_LIMIT)
        asked = await clone.run("rev-parse", tracking, f"{tracking}^{{tree}}") if fetched.ok else fetched
        if not asked.ok:
            return None
        commit, tree = asked.lines
        clone.knows(commit, tree)
        (await self.tips(clone)).note(branch, commit)
        return commit, tree

    async def tips(self, clone: Clone) -> Tips:
        """Return the tips as last fetched, with what was pushed since."""
        if clone.tips is None:
            listed = await clone.run(*LISTING)
            if not listed.ok:
                raise failure(f"The branches of {clone.name} could not be read", listed, "fetch_failed")
            clone.tips = Tips(listed.out)
        return clone.tips

    async def is_ahead(self, clone: Clone, base: Base) -> bool:
        """Whether a commit has work that the default branch, as last fetched, has not."""
        default = (await self.tips(clone)).commit(base.default_branch)
        if default is None:
            return True
        if base.sha == default or base.tree == await clone.tree(default):
            return False
        contained = await clone.run("merge-base", "--is-ancestor", base.sha, default)
        return not contained.ok

    async def push(self, clone: Clone, commit: str, branch: str) -> PushResult:
        """Push a commit to a branch, never by force."""
        arguments = ("push", "--porcelain", "--no-follow-tags", "--", clone.url, f"{commit}:refs/heads/{branch}")
        pushed = await self._on(clone, arguments, PUSH_LIMIT)
        told = [line.split("\t") for line in pushed.lines if line.count("\t") == 2]
        flag, _, reason = told[0] if told else ("", "", "")
        result = PushResult(flag=flag, reason=reason, outcome=pushed)
        if result.accepted:
            clone.pushes += 1
            if clone.tips is not None:
                clone.tips.note(branch, commit)
        return result

    async def _ask_default(self, clone: Clone) -> str | None:
        asked = await self._on(clone, ("ls-remote", "--symref", "--", clone.url, "HEAD"), FETCH_LIMIT)
        if not asked.ok:
            raise failure(f"{clone.name} could not be fetched", asked, "fetch_failed", clone.try_it())
        for line in asked.lines:
            if line.startswith("ref: refs/heads/"):
                return line.removeprefix("ref: refs/heads/").split("\t")[0]
        return None

    async def patiently(self, clone: Clone, *arguments: str, stdin: bytes | None = None) -> GitOutcome:
        """Run a command that changes refs; a lock that an agent's git holds is waited for, a dead one's taken away."""
        return await self.attempt(partial(clone.run, stdin=stdin), clone.bare, arguments, LIMIT)

    async def _on(self, clone: Clone, arguments: tuple[str, ...], limit: float) -> GitOutcome:
        return await self.attempt(clone.run, clone.bare, arguments, limit)

    def note_cut_short(self, clone: Clone) -> None:
        """Note that a job has just ended in the middle: a git that it ran may have been killed, and has left its locks.

        Also one that was asked to end leaves a lock, when it is asked in the moment in which it makes it.
        """
        self._cut_short[clone.bare] = time.time()

    async def attempt(self, run: Run, bare: Path, arguments: tuple[str, ...], limit: float) -> GitOutcome:
        """Run a command, again when the network fails or a lock in `bare` is in the way; a dead one is taken away."""
        env = await self._no_prompts(run)
        pauses = iter(PAUSES)
        while True:
            outcome = await run(*arguments, limit=limit, env=env)
            locks = held_locks(outcome)
            if outcome.ok or not (locks or is_network_trouble(outcome)):
                return outcome
            if await asyncio.to_thread(self._take_away, locks, bare):
                continue
            pause = next(pauses, None)
            if pause is None:
                return outcome
            await self.sleep(pause)

    def _take_away(self, locks: list[str], bare: Path) -> bool:
        """Remove the locks of a git that was killed and say whether there were any; one that may be alive is left."""
        removed = False
        for lock in locks:
            # git names the lock beside a link, but makes it beside what the link leads to.
            place = Path(f"{Path(lock.removesuffix('.lock')).resolve()}.lock")
            with contextlib.suppress(FileNotFoundError):
                made = place.lstat().st_mtime
                stale = LOCK_OF_THE_KILLED if made <= self._cut_short.get(bare, 0) else STALE_LOCK
                dead = made <= self._started or time.time() - made >= stale
                if dead and place.is_relative_to(bare.resolve()):
                    place.unlink()
                    removed = True
        return removed

    async def _no_prompts(self, run: Run) -> Mapping[str, str]:
        """Variables that keep ssh and git from asking anybody, unless the operator said how to connect."""
        if self._prompts is None:
            asked = await run("config", "--get-regexp", r"^core\.(sshcommand|askpass)$", limit=LIMIT, env={})
            configured = {line.split(" ")[0].lower() for line in asked.lines}
            prompts = {}
            if not self.git.environ.keys() & {"GIT_SSH", "GIT_SSH_COMMAND"} and "core.sshcommand" not in configured:
                prompts["GIT_SSH_COMMAND"] = _SSH
            if "GIT_ASKPASS" not in self.git.environ and "core.askpass" not in configured:
                prompts["GIT_ASKPASS"] = "true"
            self._prompts = prompts
        return self._prompts


def _fetched(clone: Clone) -> tuple[bytes, str | None]:
    """Return what the last fetch has listed, and which branch is the default one in the clone."""
    listed = read(clone.own_git_dir / "FETCH_HEAD")
    try:
        told = read_plain(clone.bare / ORIGIN_HEAD)
    except OSError:
        return listed, None
    return listed, told.strip().removeprefix("ref: refs/remotes/origin/")
