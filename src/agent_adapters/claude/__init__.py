"""The claude CLI as a code agent."""

from agent_adapters.claude.agent import ClaudeCodeAgent
from agent_adapters.claude.environment import credential_warnings

__all__ = ["ClaudeCodeAgent", "credential_warnings"]
