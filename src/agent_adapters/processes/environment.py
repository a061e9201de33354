"""What an agent, and with it every command that it runs, gets to see of the server's environment."""

import shutil
from collections.abc import Collection, Mapping, Sequence

from agent_adapters.processes.leftovers import JOB_MARK, SERVER_MARK

PASSED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    }
)
NEVER = frozenset(
    {
        *("AGENT_API_SECRET", "AGENT_TOKEN", "WEBHOOK_SECRET", "WEBHOOK_SECRET_OLD"),
        *("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
    }
)
"""The server's own credentials: not even by name. A token that the agent needs has another name of its own."""
SWITCHES = {
    # Installing these writes hooks and settings into the repository that all worktrees share, where they fail the job.
    "HUSKY": "0",
    "HUSKY_SKIP_INSTALL": "1",
    "LEFTHOOK": "0",
}


def child_environment(
    environ: Mapping[str, str],
    names: Collection[str],
    *,
    switches: Mapping[str, str] | None = None,
    server_id: str = "",
) -> dict[str, str]:
    """Build the whole environment of a server's agents: what is allowed, what `names` adds, switches, the mark.

    A switch that is named is the operator's.
    """
    allowed = (PASSED | set(names)) - NEVER
    passed = {name: value for name, value in environ.items() if name in allowed or name.startswith("LC_")}
    marks = {SERVER_MARK: server_id} if server_id else {}
    return {**SWITCHES, **(switches or {}), **passed, **marks}


def job_environment(environ: Mapping[str, str], own: Mapping[str, str], job_id: str) -> dict[str, str]:
    """Lay a client's own variables over the environment, and mark it as the job's.

    What has the name of a credential of the server's, or of a mark, is left out.
    """
    theirs = {name: value for name, value in own.items() if name not in NEVER and name not in (SERVER_MARK, JOB_MARK)}
    return {**environ, **theirs, JOB_MARK: job_id}


def resolved(words: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Spell the program's whole path out, as the server's own PATH has it. Blocks, shortly.

    A client may have a PATH of its own for what its agent runs, and it may begin in the checkout: the agent itself must
    not be taken from there.
    """
    program, *rest = words
    return [shutil.which(program, path=environ.get("PATH")) or program, *rest]


def never_passed(pass_env: Collection[str]) -> list[str]:
    """Say, for the start of a server, which of the names are asked for in vain."""
    return [
        f"{name} is never passed to the agent: leave it out of AGENT_PASS_ENV" for name in sorted(NEVER & set(pass_env))
    ]
