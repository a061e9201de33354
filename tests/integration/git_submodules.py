"""Origins with submodules."""

from collections.abc import Mapping
from pathlib import Path

from agent_core.domain.client import Repository
from agent_core.ports import Worktree
from tests.contracts.repo_store import ACME
from tests.integration.git_origins import GitStage

LIB = Repository(org="acme", name="lib", directory="lib")
DEEP = Repository(org="acme", name="deep", directory="deep")


def submodule_stage(root: Path) -> GitStage:
    """Make the origins of ACME, LIB and DEEP."""
    stage = GitStage(root)
    stage.make_origin({"a.txt": "one\n"})
    for repository in (LIB, DEEP):
        made = stage.origin_of(repository)
        made.mkdir(parents=True)
        stage.git("init", "-q", "--bare", "--initial-branch=main", at=made)
        commit(stage, repository, {f"{repository.name}.txt": f"{repository.name}\n"})
    return stage


def commit(
    stage: GitStage, repository: Repository, files: Mapping[str, str], links: Mapping[str, str] | None = None
) -> str:
    """Commit files and links (path to commit) to the default branch; return the commit."""
    origin = stage.origin_of(repository)
    tip = stage.git("for-each-ref", "--format=%(objectname)", "refs/heads/main", at=origin)
    lines = ["commit refs/heads/main", "committer A <a@b> 1700000000 +0000", "data 1", "x"]
    lines += [f"from {tip}"] if tip else []
    for path, text in files.items():
        lines += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
    lines += [f"M 160000 {sha} {path}" for path, sha in (links or {}).items()]
    stage.git("fast-import", "--quiet", at=origin, stdin="\n".join(lines) + "\n")
    return stage.git("rev-parse", "main", at=origin)


def declared(path: str, url: str, *, name: str = "", more: str = "") -> str:
    """Return an entry for `.gitmodules`."""
    return f'[submodule "{name or path}"]\n\tpath = {path}\n\turl = {url}\n{more}'


def with_lib(stage: GitStage, url: str = "../lib.git", path: str = "vendor/lib", more: str = "") -> str:
    """Give the origin a submodule at its tip, and return that."""
    tip = stage.git("rev-parse", "main", at=stage.origin_of(LIB))
    commit(stage, ACME, {".gitmodules": declared(path, url, more=more)}, {path: tip})
    return tip


async def opened(
    stage: GitStage, job_id: str = "job-1", branch: str = "feature/x", kept_ref: str | None = None
) -> Worktree:
    """Refresh, and open the job's worktree."""
    await stage.store.refresh(ACME)
    return await stage.store.open_worktree(ACME, job_id, branch, "main", kept_ref=kept_ref)
