"""Any other coding CLI as a code agent, by a template of its command line."""

from agent_adapters.command.agent import CommandCodeAgent
from agent_adapters.command.template import CommandTemplate, parse_template

__all__ = ["CommandCodeAgent", "CommandTemplate", "parse_template"]
