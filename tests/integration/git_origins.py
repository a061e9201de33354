"""Local origins for tests with real git, and the hand that changes them and the worktrees."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from agent_adapters.git import GitRepoStore, GitWorkReader
from agent_core.domain.client import Repository
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME

AUTHOR = ("Agent Server", "agent@example.com")


async def no_sleep(_: float) -> None:
    """Wait for nothing."""


class GitStage:
    """Origins below ROOT/origins/{org}/{repo}.git, a store beside them, and a home of its own for ~/.gitconfig."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.home.mkdir()
        self.environ = {**os.environ, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
        self.repos = root / "repos"
        self.worktrees = root / "worktrees"
        self.private = root / "private"
        self.store = self.new_store()

    def new_store(self, remote: str | None = None, **environ: str) -> GitRepoStore:
        """Make a store as a restarted server would."""
        return GitRepoStore(
            self.repos,
            self.worktrees,
            self.private,
            remote=remote or str(self.root / "origins" / "{org}" / "{repo}.git"),
            author=AUTHOR,
            environ={**self.environ, **environ},
            sleep=no_sleep,
        )

    @property
    def reader(self) -> GitWorkReader:
        """A reader over the clones of the store that is used now."""
        return GitWorkReader(self.store.clones)

    @property
    def origin(self) -> Path:
        return self.origin_of(ACME)

    @property
    def bare(self) -> Path:
        return self.repos / f"{ACME.directory}.git"

    def origin_of(self, repository: Repository) -> Path:
        return self.root / "origins" / repository.org / f"{repository.name}.git"

    def git(self, *arguments: str, at: Path | None = None, stdin: str = "") -> str:
        """Run git as a person does, by default at the origin; return what it printed."""
        command = ["git", "-C", str(at or self.origin), *arguments]
        ran = subprocess.run(command, env=self.environ, input=stdin.encode(), capture_output=True, check=False)
        if ran.returncode != 0:
            raise AssertionError(f"{command}: {ran.stderr.decode()}")
        return ran.stdout.decode().rstrip("\n")

    # ---------------------------------------------------------------- the contract's stage
    def make_origin(self, files: Mapping[str, str], default_branch: str = "main") -> None:
        self.origin.mkdir(parents=True)
        self.git("init", "-q", "--bare", f"--initial-branch={default_branch}")
        if files:
            self.commit_at_origin(default_branch, files)

    def commit_at_origin(self, branch: str, files: Mapping[str, str | None]) -> str:
        default = self.git("symbolic-ref", "--short", "HEAD")
        parent = self.tip(branch) or self.tip(default)
        lines = [f"commit refs/heads/{branch}", "committer Somebody <s@example.com> 1700000000 +0000", "data 4", "Work"]
        lines += [f"from {parent}"] if parent else []
        for path, text in files.items():
            size = len(text.encode()) if text is not None else 0
            lines += [f"D {path}"] if text is None else [f"M 100644 inline {path}", f"data {size}", text]
        self.git("fast-import", "--quiet", "--force", stdin="\n".join(lines) + "\n")
        return self.tip(branch) or ""

    def rename_default_at_origin(self, name: str) -> None:
        self.git("branch", "-m", self.git("symbolic-ref", "--short", "HEAD"), name)

    def delete_at_origin(self, branch: str) -> None:
        self.git("branch", "-D", branch)

    def tip(self, branch: str) -> str | None:
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}") or None

    def files_at_origin(self, branch: str) -> Mapping[str, str]:
        return self.files_in(self.origin, f"refs/heads/{branch}")

    def files_in(self, repository: Path, commit: str) -> Mapping[str, str]:
        names = self.git("ls-tree", "-r", "-z", "--name-only", commit, at=repository).split("\0")
        return {name: self.git("show", f"{commit}:{name}", at=repository) + "\n" for name in names if name}

    def lose_origin(self) -> None:
        self.origin.rename(self.origin.with_suffix(".lost"))

    def edit(self, worktree: Worktree, path: str, text: str | None) -> None:
        place = worktree.path / path
        if text is None:
            place.unlink()
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def files(self, worktree: Worktree) -> Mapping[str, str]:
        paths = [path for path in worktree.path.rglob("*") if path.is_file() and path.name != ".git"]
        return {str(path.relative_to(worktree.path)): path.read_text() for path in paths}

    def lose(self, worktree: Worktree) -> None:
        worktree.path.rename(self.root / f"lost-{worktree.job_id}")

    def tamper(self) -> None:
        hook = self.bare / "hooks" / "pre-push"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)

    def kept(self, ref: str) -> Mapping[str, str]:
        return self.files_in(self.bare, ref)
