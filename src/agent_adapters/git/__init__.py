"""Bare repositories and worktrees by the git program."""

from agent_adapters.git.clones import Clones
from agent_adapters.git.repo_store import GitRepoStore
from agent_adapters.git.work_reader import GitWorkReader

__all__ = ["Clones", "GitRepoStore", "GitWorkReader"]
