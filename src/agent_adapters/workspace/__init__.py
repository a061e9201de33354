"""What is done in a worktree beside the agent: a client's files put there, its commands run."""

from agent_adapters.workspace.local_workspace import LocalWorkspace

__all__ = ["LocalWorkspace"]
