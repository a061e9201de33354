"""One call of `gh api`: started outside any repository, limited in time, its answer taken apart."""

import json
from collections.abc import Mapping, Sequence
from email.parser import Parser
from typing import Any

from attrs import field, frozen

from agent_adapters.processes import SERVER_MARK
from agent_adapters.processes.program import run_program

_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_HOST", "GH_CONFIG_DIR"),
        *("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
        *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),  # the way to the keyring that `gh auth login` wrote to
        SERVER_MARK,
    }
)
_QUIET = {
    "GH_PROMPT_DISABLED": "1",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "NO_COLOR": "1",
    "GH_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
}


def gh_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Choose what gh may see of the operator's environment.

    A list of what is allowed: the server's secrets are not gh's business, and GH_REPO or GH_DEBUG would change what
    is asked or printed.
    """
    kept = {name: value for name, value in environ.items() if value and (name in _NAMES or name.startswith("LC_"))}
    return kept | _QUIET


@frozen(kw_only=True)
class GhAnswer:
    """What a call of `gh api --include` left: exit code, the service's status and headers, and the body."""

    exit_code: int | None
    """None when the call took too long and was killed."""
    status: int | None = None
    headers: Mapping[str, str] = field(factory=dict)
    """Names in lower case."""
    body: str = ""
    stderr: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether gh says so. It also says so of a captive portal's page: look at the body before believing."""
        return self.exit_code == 0

    @property
    def json(self) -> Any:
        """The body as JSON, or None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class GhCommand:
    """Runs `gh api`. Raises OSError when the program cannot be started."""

    def __init__(self, command: str, environ: Mapping[str, str], time_limit: float) -> None:
        self._command = command
        self._environment = gh_environment(environ)
        self._time_limit = time_limit

    async def api(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> GhAnswer:
        """Make one request; `body` is sent as JSON. Cancelled or too slow, gh is killed and gone on return."""
        arguments = ["api", "--include", "--method", method, path]
        for name, value in (query or {}).items():
            arguments += ["--raw-field", f"{name}={value}"]
        if body is not None:
            arguments += ["--input", "-"]
        # Not where the server stands: gh asks git about its directory, and a repository's config decides what git runs.
        payload = b"" if body is None else json.dumps(body).encode()
        try:
            done = await run_program(
                [self._command, *arguments], self._environment, limit=self._time_limit, stdin=payload, grace=0
            )
        except TimeoutError:
            return GhAnswer(exit_code=None)
        return _answer(done.status, done.out, done.err)


def _answer(exit_code: int | None, stdout: bytes, stderr: bytes) -> GhAnswer:
    text = stdout.decode("utf-8", "replace").replace("\r\n", "\n")
    complaint = stderr.decode("utf-8", "replace").strip()
    if not text.startswith("HTTP/"):
        return GhAnswer(exit_code=exit_code, body=text, stderr=complaint)
    head, _, body = text.partition("\n\n")
    first, _, lines = head.partition("\n")
    words: Sequence[str] = first.split()
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else None
    headers = {name.lower(): value for name, value in Parser().parsestr(lines, headersonly=True).items()}
    return GhAnswer(exit_code=exit_code, status=status, headers=headers, body=body, stderr=complaint)
