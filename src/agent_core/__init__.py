"""Runs coding jobs through an agent, each in its own worktree, from a prompt to a pull request and a callback.

An embedder makes an `AgentCore` of adapters (those of `agent_adapters` or its own for the ports in
`agent_core.ports`) and opens it with `async with`. Needs attrs and the standard library only.
"""

from agent_core.app import AgentCore
from agent_core.domain.client import Client
from agent_core.domain.errors import AgentServerError, CallerError, WorldError
from agent_core.domain.job import Job, JobMessage, JobRequest, JobState, JobStatus, MessageType
from agent_core.use_cases.clients import ClientChange, ClientRequest
from agent_core.use_cases.config import CoreConfig

__all__ = [
    "AgentCore",
    "AgentServerError",
    "CallerError",
    "Client",
    "ClientChange",
    "ClientRequest",
    "CoreConfig",
    "Job",
    "JobMessage",
    "JobRequest",
    "JobState",
    "JobStatus",
    "MessageType",
    "WorldError",
]
