"""Pull requests on GitHub, through the `gh` program."""

from agent_adapters.github.gh_pr_host import GhPRHost

__all__ = ["GhPRHost"]
