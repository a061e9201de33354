"""`agent-server doctor`."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence

import click
from attrs import frozen

from agent_cli.doctor.finding import Finding, Found, as_json, as_lines, failed, warning
from agent_cli.doctor.patient import Patient


@frozen
class Probe:
    """One question to the machine: findings within so many seconds."""

    group: str
    name: str
    look: Callable[[Patient], Awaitable[Sequence[Finding]]]
    seconds: float = 5.0


def probes() -> Sequence[Probe]:
    """Return all of them, in the order of the report."""
    from agent_cli.doctor import of_agent, of_git, of_machine, of_pull_requests, of_server, of_settings

    return (
        Probe("Settings", "settings", of_settings.settings),
        Probe("Settings", "env file", of_settings.env_file),
        Probe("Settings", "tokens", of_settings.token_file),
        Probe("Machine", "python", of_machine.python),
        Probe("Machine", "open files", of_machine.open_files),
        Probe("Machine", "clock", of_machine.clock),
        Probe("Machine", "sleep", of_machine.sleep),
        Probe("Machine", "disk", of_machine.room),
        Probe("Machine", "file system", of_machine.file_system),
        Probe("Agent", "agent", of_agent.agent, 15.0),
        Probe("Agent", "instructions", of_settings.instructions),
        Probe("Repositories", "git", of_git.git),
        Probe("Repositories", "origin", of_git.origin, 15.0),
        Probe("Repositories", "pull requests", of_pull_requests.pull_requests, 20.0),
        Probe("Server", "directories", of_server.directories),
        Probe("Server", "port", of_server.port),
        Probe("Server", "service", of_server.service),
    )


async def examine(patient: Patient, all_probes: Sequence[Probe]) -> Found:
    """Ask everything at once. Never raises: what cannot be found out is a finding, too."""
    told = await asyncio.gather(*(_told(probe, patient) for probe in all_probes))
    return [(probe.group, finding) for probe, findings in zip(all_probes, told, strict=True) for finding in findings]


async def _told(probe: Probe, patient: Patient) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(probe.seconds):
            return await probe.look(patient)
    except TimeoutError:
        return [warning(probe.name, f"no answer within {probe.seconds:.0f} seconds", "see what holds it up")]
    except Exception as problem:  # one broken probe must not hide what the others found
        return [warning(probe.name, f"could not be looked at: {type(problem).__name__}: {problem}")]


@click.command()
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
def doctor(in_json: bool) -> int:
    """Tell whether this machine is fit for the server.

    Where it is not, each line has its remedy. Looks at the settings, the machine, the agent and its login, git, gh,
    directories, port and service. Changes nothing and spends nothing. Exit codes: 0 no errors (there may be warnings),
    1 errors.

    \b
    Example:
      agent-server doctor --json | jq '.checks[] | select(.status != "ok")'
    """
    found = asyncio.run(examine(Patient.examined(os.environ), probes()))
    if in_json:
        click.echo(json.dumps(as_json(found), indent=2))
    else:
        for line in as_lines(found):
            click.echo(line)
    return 1 if failed(found) else 0
