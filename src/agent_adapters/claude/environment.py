"""What of the environment is the claude CLI's own. Pure."""

from collections.abc import Collection, Mapping

from agent_adapters.processes import never_passed

OWN = ("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR")
SWITCHES = {
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # a run is over with its answer, not when a forgotten server ends
    "CLAUDE_CODE_STARTUP_FAILURE_RESULTS": "1",
    "CLAUDE_CODE_MAX_RETRIES": "4",  # ten, the default, are three minutes of waiting for each request
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",  # it is shared by all worktrees of a repository
    "DISABLE_AUTOUPDATER": "1",
}


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
    return warnings + never_passed(pass_env)
