"""Child processes that end with their server, whatever happens to it, and whose output cannot hurt."""

from agent_adapters.processes.leftovers import JOB_MARK, SERVER_MARK, end_leftovers
from agent_adapters.processes.pipes import Line, Stream
from agent_adapters.processes.supervised import CannotStart, Command, Limit, StartProblem, SupervisedProcess

__all__ = [
    "JOB_MARK",
    "SERVER_MARK",
    "CannotStart",
    "Command",
    "Limit",
    "Line",
    "StartProblem",
    "Stream",
    "SupervisedProcess",
    "end_leftovers",
]
