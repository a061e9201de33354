"""What the CLI, and with it every command that the agent runs, gets to see of the server's environment. Pure."""

from collections.abc import Collection, Mapping

PASSED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
        *("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"),
    }
)
NEVER = frozenset(
    {
        *("AGENT_API_SECRET", "WEBHOOK_SECRET", "WEBHOOK_SECRET_OLD"),
        *("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
    }
)
"""The server's own credentials: not even by name. A token that the agent needs has another name of its own."""
SWITCHES = {
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # a run is over with its answer, not when a forgotten server ends
    "CLAUDE_CODE_STARTUP_FAILURE_RESULTS": "1",
    "CLAUDE_CODE_MAX_RETRIES": "4",  # ten, the default, are three minutes of waiting for each request
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",  # it is shared by all worktrees of a repository
    "DISABLE_AUTOUPDATER": "1",
    # Installing these writes hooks and settings into the repository that all worktrees share, where they fail the job.
    "HUSKY": "0",
    "HUSKY_SKIP_INSTALL": "1",
    "LEFTHOOK": "0",
}


def child_environment(
    environ: Mapping[str, str], pass_env: Collection[str], marks: Mapping[str, str]
) -> dict[str, str]:
    """Build the CLI's whole environment: what is allowed, what the operator named, our switches and marks."""
    names = (PASSED | set(pass_env)) - NEVER
    passed = {name: value for name, value in environ.items() if name in names or name.startswith("LC_")}
    return {**SWITCHES, **passed, **marks}


def credential_warnings(environ: Mapping[str, str], pass_env: Collection[str]) -> list[str]:
    """Say, for the start of a server, which credentials in its environment are not used, or are and cost money."""
    warnings = []
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        if name in environ and name not in pass_env:
            warnings.append(
                f"{name} is set but not passed to the agent, which uses the subscription: "
                f"name it in AGENT_PASS_ENV if the API shall be billed"
            )
        elif name in environ:
            warnings.append(f"{name} is passed to the agent: the API is billed, and not the subscription used")
    warnings.extend(
        f"{name} is never passed to the agent: leave it out of AGENT_PASS_ENV" for name in NEVER & set(pass_env)
    )
    return warnings
