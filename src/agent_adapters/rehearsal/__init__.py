"""The whole thing without a subscription and without GitHub: a scripted agent and a local pull-request host."""

import sys
from pathlib import Path

from agent_adapters.rehearsal.local_pr_host import LocalPRHost

REHEARSAL_COMMAND: tuple[str, ...] = (sys.executable, "-I", str(Path(__file__).parent / "agent_script" / "__main__.py"))
"""How the rehearsal agent is started. It takes the claude CLI's arguments and speaks its stream-json."""

__all__ = ["REHEARSAL_COMMAND", "LocalPRHost"]
