"""Whether the agent is there and logged in, and who pays."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from agent_adapters.claude.environment import OWN, SWITCHES
from agent_adapters.processes import child_environment
from agent_cli.doctor.asking import Answer, aside, ask, found
from agent_cli.doctor.finding import Finding, error, ok, warning
from agent_cli.doctor.patient import Patient
from agent_cli.init import instructions_path

_INSTALL = "npm install -g @anthropic-ai/claude-code (Node 22 or newer), then claude and /login"
_LOG_IN = "run claude and /login as this user; for a service, claude setup-token and CLAUDE_CODE_OAUTH_TOKEN"
_BILLED = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


async def agent(patient: Patient) -> Sequence[Finding]:
    """Tell of the agent that the settings choose."""
    match patient.settings.code_agent:
        case "claude":
            return await _claude(patient)
        case "command":
            return await _command(patient)
    return [ok("agent", "the scripted rehearsal: no account is needed, and nothing real is done")]


async def _command(patient: Patient) -> Sequence[Finding]:
    template = patient.settings.command
    if template is None:
        return []
    program = await aside(lambda: found(template.program, patient.environ))
    if program is None:
        return [error("agent", f"{template.program} is not on the PATH", "install it, or change AGENT_COMMAND")]
    return [ok("agent", f"{program}; whether it is logged in, only a job can tell")]


async def _claude(patient: Patient) -> Sequence[Finding]:
    environ = child_environment(patient.environ, (*OWN, *patient.settings.pass_env), switches=SWITCHES)
    program = await aside(lambda: found("claude", environ))
    if program is None:
        return [error("claude", "claude is not on the PATH", _INSTALL)]
    version, status = await asyncio.gather(
        ask([program, "--version"], environ), ask([program, "auth", "status"], environ)
    )
    if version.code != 0:
        return [error("claude", f"{program} does not work: {version.last_words}", _INSTALL)]
    config = await aside(lambda: _user_settings(patient.environ))
    return [
        ok("claude", f"{(version.out.split() or ['?'])[0]} ({program})"),
        *told_by_claude(status, environ),
        *billed_by_settings(config),
        *_as_root(patient),
    ]


def told_by_claude(status: Answer, environ: Mapping[str, str]) -> Sequence[Finding]:
    """Judge what `claude auth status` says. It knows no more than that there is a login: not whether it still holds."""
    try:
        told = json.loads(status.out)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "loggedIn" not in told:
        return [warning("login", f"claude does not tell whether it is logged in ({status.last_words})", _INSTALL)]
    if told["loggedIn"] is not True:
        return [error("login", "claude is not logged in", _LOG_IN)]
    method, plan, provider = told.get("authMethod"), told.get("subscriptionType"), told.get("apiProvider")
    if provider not in (None, "firstParty"):
        return [_paid(f"by {provider}", "see ~/.claude/settings.json for what chooses it")]
    if method == "api_key":
        source = told.get("apiKeySource") or "an API key"
        return [_paid(f"by {source}", f"take {source} out of AGENT_PASS_ENV and of ~/.claude/settings.json")]
    if method == "oauth_token" and "ANTHROPIC_AUTH_TOKEN" in environ:
        return [_paid("by ANTHROPIC_AUTH_TOKEN", "take it out of AGENT_PASS_ENV")]
    if method == "oauth_token":
        return [ok("login", "by CLAUDE_CODE_OAUTH_TOKEN, on the subscription that it was made with")]
    if method == "claude.ai":
        return [ok("login", f"on a Claude subscription{f' ({plan})' if plan else ''}")]
    return [ok("login", f"logged in ({method})")]


def billed_by_settings(config: Mapping[str, Any]) -> Sequence[Finding]:
    """Tell what the CLI's own settings file would have billed."""
    variables = config.get("env")
    names = [name for name in _BILLED if isinstance(variables, dict) and variables.get(name)]
    names += ["apiKeyHelper"] if config.get("apiKeyHelper") else []
    return [_paid(f"by {name} in claude's settings.json", f"remove {name} there") for name in names]


def _paid(how: str, remedy: str) -> Finding:
    return warning(
        "login", f"{how}: the API is billed, and not the subscription used", f"if that is not meant: {remedy}"
    )


def _as_root(patient: Patient) -> Sequence[Finding]:
    if os.geteuid() != 0:
        return []
    if patient.settings.permission_mode == "bypassPermissions" and patient.environ.get("IS_SANDBOX") != "1":
        message = "claude refuses AGENT_PERMISSION_MODE=bypassPermissions for root"
        return [error("user", message, "run the server as another user, or with acceptEdits")]
    return [warning("user", "this is root: agents may do anything on this machine", "run the server as another user")]


def _user_settings(environ: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        config = json.loads(instructions_path(environ).with_name("settings.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
