"""All repositories on this disk."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from agent_adapters.git.clone import Clone
from agent_adapters.git.process import Git
from agent_adapters.git.shape import Shape
from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError


class Clones:
    """Bare repositories in `repos_dir`, worktrees in `worktrees_dir`, and what no agent may change in `private_dir`.

    `remote` is the origin's URL with {org} and {repo}; git runs in `environ` without the server's secrets.
    """

    def __init__(
        self,
        repos_dir: Path,
        worktrees_dir: Path,
        private_dir: Path,
        remote: str,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.git = Git(environ)
        self.repos_dir = repos_dir.absolute()
        self.worktrees_dir = worktrees_dir.absolute()
        self._private_dir = private_dir.absolute()
        self._remote = remote
        self._known: dict[str, Clone] = {}

    def find(self, repository: Repository) -> Path | None:
        """Tell where the bare repository is, or None when it was not cloned yet."""
        bare = self.repos_dir / f"{repository.directory}.git"
        return bare if (bare / "HEAD").is_file() else None

    def of(self, repository: Repository) -> Clone:
        """Return the repository's clone, there or not. Raises `clone_failed` where another repository's is."""
        url = self._remote.format(org=repository.org, repo=repository.name)
        clone = self._known.get(repository.directory)
        if clone is None:
            clone = self._known[repository.directory] = self._new(repository, url)
        elif clone.shape is None or clone.is_of(url):
            if clone.url != url:
                clone.shape = None
            clone.repository, clone.url = repository, url
        else:
            raise RepoStoreError(
                f"{clone.bare} is a clone of {clone.name} and cannot be used for {repository.org}/{repository.name}: "
                "give the client another directory",
                code="clone_failed",
            )
        return clone

    async def known(self) -> list[Clone]:
        """Return all clones that this server or an earlier one has used."""
        # Entered here and not by the thread: a run that looks for its clone meanwhile would get one with another lock.
        for directory, shape in await asyncio.to_thread(_shapes_in, self._private_dir):
            if directory not in self._known:
                org, _, name = shape.url.removesuffix(".git").replace(":", "/").rpartition("/")
                repository = Repository(org=org.rpartition("/")[2], name=name, directory=directory)
                self._known[directory] = self._new(repository, shape.url)
        return list(self._known.values())

    def _new(self, repository: Repository, url: str) -> Clone:
        return Clone(
            git=self.git,
            repository=repository,
            url=url,
            bare=self.repos_dir / f"{repository.directory}.git",
            private=self._private_dir / repository.directory,
            worktrees=self.worktrees_dir / repository.directory,
        )


def _shapes_in(private_dir: Path) -> list[tuple[str, Shape]]:
    shapes = ((path.parent.name, Shape.load(path)) for path in sorted(private_dir.glob("*/shape.json")))
    return [(directory, shape) for directory, shape in shapes if shape is not None]
