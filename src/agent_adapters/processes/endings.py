"""How an agent's process ended, in sentences that name the remedy. Pure."""

import signal
from pathlib import Path

from attrs import frozen

from agent_adapters.processes.supervised import CannotStart, Limit, StartProblem, SupervisedProcess
from agent_core.domain.client_settings import AgentSettings
from agent_core.domain.job import AgentReport
from agent_core.ports import AgentEnded, Ending

_KILLED = 128
"""A program that was killed by signal n has this plus n for its exit code."""


@frozen(kw_only=True)
class TimeLimits:
    """How long a run may take, and how long it may say nothing. In seconds."""

    wall: float
    silence: float
    wall_set_by: str = "AGENT_JOB_TIMEOUT"

    def under(self, settings: AgentSettings) -> "TimeLimits":
        """Lay a client's or a job's own limit over these."""
        if settings.timeout is None:
            return self
        wall_set_by = "timeout of the job or of the client's settings"
        return TimeLimits(wall=settings.timeout, silence=self.silence, wall_set_by=wall_set_by)


@frozen(kw_only=True)
class ProcessEnd:
    """How a process ended: with this code, by itself or because a limit of time was over."""

    program: str
    exit_code: int
    ended_by: Limit | None
    limits: TimeLimits

    @classmethod
    def of(cls, process: SupervisedProcess, limits: TimeLimits) -> "ProcessEnd":
        """Look at a process whose lines are all read."""
        return cls(
            program=Path(process.command.argv[0]).name,
            exit_code=-1 if process.returncode is None else process.returncode,
            ended_by=process.ended_by,
            limits=limits,
        )

    @property
    def sentence(self) -> str:
        """Say how it ended, without a full stop."""
        match self.ended_by:
            case Limit.WALL:
                return f"The agent ran for {_span(self.limits.wall)} and was ended ({self.limits.wall_set_by})"
            case Limit.SILENCE:
                return f"The agent was silent for {_span(self.limits.silence)} and was ended (AGENT_SILENCE_TIMEOUT)"
        code = f"exit code {self.exit_code}"
        try:
            number = signal.Signals(self.exit_code - _KILLED)
        except ValueError:
            return f"{self.program} ended with {code}"
        perhaps = ", perhaps for want of memory" if number is signal.SIGKILL else ""
        return f"{self.program} was killed (signal {number:d}, {code}){perhaps}"


def not_started(error: CannotStart) -> AgentEnded:
    """Make the end of a run that never began."""
    missing = error.problem in (StartProblem.MISSING, StartProblem.NOT_EXECUTABLE)
    return AgentEnded(
        ending=Ending.FAILED,
        report=AgentReport(),
        error=str(error),
        error_code="agent_missing" if missing else "agent_failed",
    )


def _span(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:g} s"
