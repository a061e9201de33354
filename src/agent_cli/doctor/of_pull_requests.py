"""Whether pull requests can be opened."""

import re
from collections.abc import Sequence

from agent_adapters.github.gh_command import GhAnswer, GhCommand, gh_environment
from agent_cli.doctor.asking import aside, ask, found
from agent_cli.doctor.finding import Finding, error, ok, warning
from agent_cli.doctor.of_git import remote_of
from agent_cli.doctor.patient import Patient

_INSTALL = "brew install gh, or apt install gh: https://cli.github.com"
_LOG_IN = "gh auth login as this user, or GH_TOKEN in the env file"
_SECONDS = 12.0
_GITHUB = ("github.com", "ssh.github.com")


async def pull_requests(patient: Patient) -> Sequence[Finding]:
    """Tell of the program that opens them, where the settings want one."""
    if patient.settings.pr_host == "local":
        return [ok("pull requests", f"files below {patient.settings.pulls_dir}")]
    program = await aside(lambda: found("gh", patient.environ))
    if program is None:
        return [error("gh", "gh is not on the PATH", _INSTALL)]
    told = await ask([program, "--version"], gh_environment(patient.environ))
    version = re.search(r"\d+(?:\.\d+)+", told.out)
    if told.code != 0 or version is None:
        return [error("gh", f"{program} does not work: {told.last_words}", _INSTALL)]
    host = patient.environ.get("GH_HOST") or "github.com"
    answer = await GhCommand(program, patient.environ, _SECONDS).api("GET", "user")
    return [ok("gh", f"{version[0]} ({program})"), *told_by_gh(answer, host), *_other_host(patient, host)]


def told_by_gh(answer: GhAnswer, host: str) -> Sequence[Finding]:
    """Judge what gh says of its login at the host."""
    user = answer.json if answer.succeeded else None
    if isinstance(user, dict) and isinstance(user.get("login"), str):
        scopes = answer.headers.get("x-oauth-scopes", "").replace(",", " ").split()
        if scopes and "repo" not in scopes:
            message = f"the token of {user['login']} at {host} lacks the scope repo: no pull request can be opened"
            return [error("gh login", message, f"gh auth refresh --hostname {host} --scopes repo")]
        return [ok("gh login", f"{user['login']} at {host}")]
    if answer.exit_code == 4:
        return [error("gh login", f"gh is not logged in at {host}", _LOG_IN)]
    if answer.status == 401:
        return [error("gh login", f"{host} refuses gh's token", _LOG_IN)]
    said = (answer.stderr.splitlines() or ["no answer"])[-1]
    return [warning("gh login", f"{host} does not tell who is logged in: {said}", "try: gh api user")]


def _other_host(patient: Patient, host: str) -> Sequence[Finding]:
    """Tell when repositories are at one host and pull requests would go to another. An ssh alias has no dot."""
    origin = remote_of(patient.settings.git_remote).host
    if "." not in origin or origin == host or (origin in _GITHUB and host in _GITHUB):
        return []
    return [warning("gh login", f"repositories are at {origin}, and gh asks {host}", f"set GH_HOST={origin}")]
