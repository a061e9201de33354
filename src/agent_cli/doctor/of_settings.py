"""Whether the settings are right, and where they come from."""

import stat
from collections.abc import Mapping, Sequence

from agent_cli.doctor.asking import aside
from agent_cli.doctor.finding import Finding, error, ok, warning
from agent_cli.doctor.patient import Patient
from agent_cli.env_file import env_path, environment
from agent_cli.init import instructions_path
from agent_cli.tokens import FILE as TOKENS

_REMEDIES = {
    "AGENT_API_SECRET: is not set": "agent-server init makes an env file with one",
    "WEBHOOK_SECRET is not set": "put WEBHOOK_SECRET into the env file, and give it to the system that gets callbacks",
}
_SECRETS = ("AGENT_API_SECRET", "WEBHOOK_SECRET")


async def settings(patient: Patient) -> Sequence[Finding]:
    """Tell every problem of the settings, and what is allowed but probably not meant."""
    from agent_http.credentials import start_warnings

    wrong = [error("settings", text, _remedy(text)) for text in patient.problems]
    doubtful = [
        warning("settings", text, _REMEDIES.get(text.partition(":")[0]))
        for text in start_warnings(patient.settings, patient.environ)
    ]
    return [*wrong, *doubtful] or [ok("settings", "all right")]


async def env_file(patient: Patient) -> Sequence[Finding]:
    """Tell where settings come from beside the shell."""
    path = env_path(patient.shell)
    if patient.env_file_problem is not None:
        return [
            error("env file", patient.env_file_problem, "put it right; agent-server says the same to every command")
        ]
    if not await aside(path.is_file):
        remedy = "agent-server init makes it: a service has no other settings"
        return [warning("env file", f"{path} is not there", remedy)]
    findings = [ok("env file", str(path))]
    own = await aside(lambda: _settings_of_file(patient))
    findings += [
        warning("env file", f"{name} is another one in this shell, and wins here", f"unset {name}")
        for name in _SECRETS
        if patient.shell.get(name) and own.get(name) and patient.shell[name] != own[name]
    ]
    return findings


async def token_file(patient: Patient) -> Sequence[Finding]:
    """Tell whether the named tokens are for their owner alone."""
    path = patient.settings.home / TOKENS
    try:
        mode = stat.S_IMODE((await aside(path.stat)).st_mode)
    except FileNotFoundError:
        return []
    if mode & 0o077:
        return [error("tokens", f"{path} is open to other users: none of the tokens is valid", f"chmod 600 {path}")]
    return [ok("tokens", str(path))]


async def instructions(patient: Patient) -> Sequence[Finding]:
    """Tell whether the agent has any."""
    if patient.settings.code_agent != "claude":
        return []
    path = instructions_path(patient.environ)
    if await aside(path.is_file):
        return [ok("instructions", str(path))]
    return [
        warning("instructions", f"{path} is not there: agents are told nothing but the prompt", "agent-server init")
    ]


def _settings_of_file(patient: Patient) -> Mapping[str, str]:
    """Read the env file as if the shell had nothing but what leads to it."""
    return environment({name: patient.shell[name] for name in ("HOME", "AGENT_HOME") if name in patient.shell})


def _remedy(problem: str) -> str:
    return next(
        (remedy for begin, remedy in _REMEDIES.items() if problem.startswith(begin)),
        "set it right in the env file or the environment: docs/configuration.md",
    )
