"""Child processes that end with their server, whatever happens to it, and whose output cannot hurt."""

from agent_adapters.processes.endings import ProcessEnd, TimeLimits, not_started
from agent_adapters.processes.environment import child_environment, job_environment, never_passed, resolved
from agent_adapters.processes.leftovers import JOB_MARK, SERVER_MARK, end_leftovers
from agent_adapters.processes.pipes import Line, Lines, Stream
from agent_adapters.processes.scratch import default_parent, scratch_directory, write_private
from agent_adapters.processes.supervised import CannotStart, Command, Limit, StartProblem, SupervisedProcess
from agent_adapters.processes.words import LONGEST_ERROR, shortened, tidy

__all__ = [
    "JOB_MARK",
    "LONGEST_ERROR",
    "SERVER_MARK",
    "CannotStart",
    "Command",
    "Limit",
    "Line",
    "Lines",
    "ProcessEnd",
    "StartProblem",
    "Stream",
    "SupervisedProcess",
    "TimeLimits",
    "child_environment",
    "default_parent",
    "end_leftovers",
    "job_environment",
    "never_passed",
    "not_started",
    "resolved",
    "scratch_directory",
    "shortened",
    "tidy",
    "write_private",
]
