"""A repository on this disk: the shared bare repository, the server's own git directory for it, and their making.

The server never lets git read the bare repository's own configuration, hooks and attributes, which an agent can write.
Its own git directory has a configuration of its own and shares objects and refs by links, as git's old
`git-new-workdir` did. The bare repository's files are nevertheless put back when they were changed, for the sake of
the other agents and people that work with it.
"""

import asyncio
import logging
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import Factory, define, field

from agent_adapters.git.checkout import Checkout
from agent_adapters.git.configuration import BARE_CONFIG, NO_DRIVERS, TRACKING, own_config, remote
from agent_adapters.git.failures import failure, without_credentials
from agent_adapters.git.files import write_whole
from agent_adapters.git.object_reader import ObjectReader
from agent_adapters.git.process import Git, GitOutcome
from agent_adapters.git.record import Opened
from agent_adapters.git.shape import Shape, differences, guarded_files, restore, signature
from agent_adapters.git.tampering import describe, in_words, note
from agent_adapters.git.tips import Tips
from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError
from agent_core.ports import BareRepository

_log = logging.getLogger(__name__)

SHARED = ("objects", "refs", "packed-refs", "shallow")
LIMIT = 120.0
TREES_KNOWN = 200
MANY_PUSHES = 64
"""After so many refs are packed."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
"""What may name a worktree."""


def _identity(url: str) -> str:
    """What stays the same of an origin's URL when the host's alias, the scheme or the user changes: org/repo."""
    parts = re.split(r"[/:]", url.lower().rstrip("/").removesuffix(".git"))
    return "/".join(parts[-2:])


@define(kw_only=True)
class Clone:
    """One repository's directories. `lock` is held around whatever git cannot do twice at once in one repository."""

    git: Git
    repository: Repository
    url: str
    bare: Path
    private: Path
    worktrees: Path
    """The folder of this repository's worktrees."""
    lock: asyncio.Lock = field(factory=asyncio.Lock)
    shape: Shape | None = None
    """Set once the clone is ready for use."""
    refreshed: tuple[float, BareRepository] | None = None
    """The last refresh: when it began (monotonic seconds), and its result."""
    tips: Tips | None = None
    """The origin's branches as last fetched; an agent's hand in the refs changes nothing of them."""
    pushes: int = MANY_PUSHES
    """How many branches were pushed since refs were packed. At first nobody knows what lies loose."""
    opened: Opened = field(init=False, default=Factory(lambda self: Opened(self.records), takes_self=True))
    """Its worktrees' records, as a whole."""
    objects: ObjectReader = field(
        init=False, default=Factory(lambda self: ObjectReader(self.git, self.own_git_dir), takes_self=True)
    )
    _trees: dict[str, str] = field(factory=dict, init=False)
    _guard: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _seen: object = field(default=None, init=False)
    """How the guarded files looked when they last were as they should be."""

    @property
    def name(self) -> str:
        """The repository as people know it."""
        return f"{self.repository.org}/{self.repository.name}"

    @property
    def own_git_dir(self) -> Path:
        """The git directory that the server's commands run in."""
        return self.private / "git"

    @property
    def records(self) -> Path:
        """The folder of the private records of the worktrees."""
        return self.private / "worktrees"

    def checkout(self, name: str) -> Checkout:
        """Say where a worktree and what belongs to it are, or would be."""
        if not NAME.fullmatch(name):
            raise RepoStoreError(f"{name!r} cannot name a worktree", code="worktree_failed")
        return Checkout(
            path=self.worktrees / name, registration=self.bare / "worktrees" / name, record=self.records / name
        )

    def exists(self) -> bool:
        """Whether the bare repository is there."""
        return (self.bare / "HEAD").is_file()

    def is_of(self, url: str) -> bool:
        """Whether this clone is of the repository at the URL."""
        return _identity(self.url) == _identity(url)

    async def run(
        self,
        *arguments: str,
        limit: float = LIMIT,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        most: int | None = None,
    ) -> GitOutcome:
        """Run git in the server's own git directory."""
        return await self.git.run(*arguments, git_dir=self.own_git_dir, limit=limit, env=env, stdin=stdin, most=most)

    def knows(self, commit: str, tree: str) -> None:
        """Remember the tree of a commit."""
        if len(self._trees) >= TREES_KNOWN:
            self._trees.clear()
        self._trees[commit] = tree

    async def tree(self, commit: str) -> str:
        """Return the tree of a commit that is here."""
        if commit not in self._trees:
            asked = await self.run("rev-parse", "--verify", f"{commit}^{{tree}}")
            if not asked.ok:
                raise failure(f"The commit {commit} of {self.name} is gone", asked, "worktree_failed")
            self.knows(commit, asked.lines[0])
        return self._trees[commit]

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[Path]:
        """Make a private folder for as long as the block lasts; what a killed server left goes with its next start."""
        folder = self.private / "aside"
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        made = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=folder))
        try:
            yield made
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, made, ignore_errors=True))

    async def ready(self) -> None:
        """See that an existing bare repository is ready for use, without a look at what was changed in it since."""
        if self.shape is None or not self.exists():
            async with self.lock:
                await self.use_cloned()

    async def use_cloned(self) -> None:
        """Do what `use` does, or raise `worktree_failed` where nothing was cloned yet. Under the lock."""
        if not self.exists():
            raise RepoStoreError(f"{self.name} was not cloned yet: refresh it first", code="worktree_failed")
        await self.use()

    async def use(self) -> None:
        """Make an existing bare repository ready for use, and put back what an agent changed in it. Under the lock.

        Raises RepoStoreError with `clone_failed` for what is no clone of this repository.
        """
        if self.shape is None:
            stored = await asyncio.to_thread(Shape.load, self.private / "shape.json")
            if stored is not None:
                await self.put_back(stored)
            if stored is None or stored.url != self.url:
                stored = await self._adopt(made_here=stored is not None and stored.made_here)
            await self._make_own_git_dir()
            self.shape = stored
        else:
            await self.guard()

    async def guard(self) -> None:
        """Put back what was changed in a bare repository that is ready for use."""
        if self.shape is not None and (self._seen is None or self._seen != signature(self.bare)):
            await self.put_back(self.shape)

    @asynccontextmanager
    async def drafting(self) -> AsyncIterator[Path]:
        """Make a bare repository to be filled, which takes its place when the block ends well. Under the lock."""
        self.shape = self.tips = None
        draft = await asyncio.to_thread(self._draft)
        try:
            await init(self.git, draft)
            await asyncio.to_thread(_append, draft / "config", remote(self.url) + BARE_CONFIG)
            yield draft
            await asyncio.to_thread(draft.chmod, 0o755)
            await asyncio.to_thread(draft.rename, self.bare)
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        await self._adopt(made_here=True)

    def _draft(self) -> Path:
        """Make room for a clone, and take away what a killed one left."""
        if self.bare.is_file() or (self.bare.is_dir() and any(self.bare.iterdir())):
            raise RepoStoreError(
                f"{self.bare} is needed for the clone of {self.name} but is no repository: move it away",
                code="clone_failed",
            )
        self.bare.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self.bare.parent.glob(f".{self.bare.name}.*"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(self.private / "git", ignore_errors=True)
        (self.private / "shape.json").unlink(missing_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{self.bare.name}.", dir=self.bare.parent))

    def try_it(self) -> str:
        """Tell a person what to try when the origin cannot be reached."""
        return f"try `git ls-remote {without_credentials(self.url)}` as the user that the server runs as"

    async def put_back(self, shape: Shape) -> None:
        """Put back what somebody changed in the bare repository, and note it for the worktrees that are open."""
        async with self._guard:
            looked_at, self._seen = signature(self.bare), None
            found = await asyncio.to_thread(differences, self.bare, shape)
            if not found:
                self._seen = looked_at
                return
            changed, grave = await describe(self.run, shape, found)
            _log.warning("%s was changed by somebody and put back: %s", self.bare, in_words(changed))
            if grave:
                await asyncio.to_thread(note, self.records, grave)
            await asyncio.to_thread(restore, self.bare, shape, found)

    async def _adopt(self, *, made_here: bool) -> Shape:
        """Give a bare repository, whoever made it, the remote that is needed, and remember its shape."""
        config = str(self.bare / "config")
        listed = await self.run("config", "--file", config, "--list", "-z")
        settings: dict[str, list[str]] = {}
        for entry in os.fsdecode(listed.out).split("\0"):
            key, _, value = entry.partition("\n")
            settings.setdefault(key, []).append(value)
        url = settings.get("remote.origin.url", [""])[-1]
        if not listed.ok or _identity(url) != _identity(self.url):
            found = f"has the origin {without_credentials(url)}" if url else "is no bare clone with an origin"
            raise RepoStoreError(
                f"{self.bare} is needed for {self.name} but {found}: move it away or give the client another directory",
                code="clone_failed",
            )
        if "remote.origin.promisor" in settings:
            raise RepoStoreError(f"{self.bare} is a partial clone, which lacks files: delete it", code="clone_failed")
        wanted = {"remote.origin.url": self.url, "remote.origin.fetch": TRACKING, "gc.auto": "0"}
        for key, value in wanted.items():
            if settings.get(key) != [value]:
                await self._configure("--replace-all", key, value)
        if "remote.origin.mirror" in settings:
            await self._configure("--unset-all", "remote.origin.mirror")
        shape = Shape(url=self.url, made_here=made_here, files=await asyncio.to_thread(guarded_files, self.bare))
        await asyncio.to_thread(self.private.mkdir, mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(shape.save, self.private / "shape.json")
        return shape

    async def _configure(self, *arguments: str) -> None:
        config = str(self.bare / "config")
        outcome = await self.run("config", "--file", config, *arguments)
        if not outcome.ok:
            raise failure(f"{config} could not be repaired", outcome, "clone_failed")

    async def _make_own_git_dir(self) -> None:
        """Make the server's own git directory afresh: once per life, so that nothing old or tampered stays."""
        draft = self.private / "git.draft"
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        await init(self.git, draft)
        await asyncio.to_thread(self._link_up, draft)

    def _link_up(self, draft: Path) -> None:
        _append(draft / "config", own_config(self.url, self.bare / "lfs"))
        (draft / "info").mkdir(exist_ok=True)
        (draft / "info" / "attributes").write_text(NO_DRIVERS)
        shutil.rmtree(self.private / "aside", ignore_errors=True)
        for name in ("objects", "refs"):
            shutil.rmtree(draft / name)
        for name in SHARED:
            (draft / name).symlink_to(self.bare / name)
        shutil.rmtree(self.own_git_dir, ignore_errors=True)
        draft.rename(self.own_git_dir)


async def init(git: Git, path: Path) -> None:
    """Make an empty bare repository."""
    # Without a template no sample hooks come in; git finds out about the disk (case, links) by itself.
    made = await git.run("init", "--quiet", "--bare", "--template=", git_dir=path, limit=LIMIT)
    if not made.ok:
        raise failure(f"{path} could not be made", made, "clone_failed")


def fetching(url: str, *refspecs: str, listing: bool = False) -> tuple[str, ...]:
    """The arguments of a fetch that touches nothing but the refs named, and FETCH_HEAD when `listing`."""
    kept = "--write-fetch-head" if listing else "--no-write-fetch-head"
    return ("fetch", "--quiet", "--prune", "--no-tags", kept, "--", url, *refspecs)


def _append(path: Path, text: str) -> None:
    write_whole(path, path.read_text() + text)
