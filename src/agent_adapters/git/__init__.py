"""Bare repositories and worktrees by the git program."""

from agent_adapters.git.repo_store import GitRepoStore

__all__ = ["GitRepoStore"]
