"""The credentials that a server has to do with: which texts they are, and what is wrong with how they are set."""

from collections.abc import Mapping, Sequence

from agent_adapters.claude import credential_warnings
from agent_adapters.processes import never_passed
from agent_http.settings import SHORT_SECRET, Settings

_OTHERS_SECRETS = (
    "AGENT_TOKEN",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
)


def known_secrets(settings: Settings, environ: Mapping[str, str]) -> Sequence[str]:
    """Return every secret value there is: none of them may be in a log, a message or a callback."""
    own = (settings.api_secret, settings.webhook_secret, settings.webhook_secret_old)
    return [value for value in (*own, *map(environ.get, _OTHERS_SECRETS)) if value]


def start_warnings(settings: Settings, environ: Mapping[str, str]) -> Sequence[str]:
    """Say what is allowed but probably not meant."""
    found = []
    if len(settings.api_secret) < SHORT_SECRET:
        found.append(f"AGENT_API_SECRET is shorter than {SHORT_SECRET} characters: it can be guessed")
    if settings.webhook_secret is None:
        found.append("WEBHOOK_SECRET is not set: callbacks are sent without a signature")
    if settings.permission_mode == "bypassPermissions":
        found.append("AGENT_PERMISSION_MODE is bypassPermissions: the agent may do whatever this user may")
    passed = settings.pass_env
    found += never_passed(passed) if settings.code_agent == "command" else credential_warnings(environ, passed)
    if not settings.on_loopback:
        found.append(f"AGENT_HOST is {settings.host}: whoever reaches it and has the token can run code here")
    return found
