# ruff: noqa: RUF009 - each call declares a field, as attrs.field does
"""The settings: read once from the environment, every problem told at once by its variable's name.

By hand and not by typed-settings: there the conversions and the validators are two rounds with two lists of problems,
both in terms of its options and loaders, and a value that cannot be converted is quoted, secrets too.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import frozen

from agent_adapters.command import CommandTemplate, parse_template
from agent_core.domain.client_settings import PermissionMode, RepoTrust
from agent_http import setting_values as values

SHORT_SECRET = 16


class SettingsError(Exception):
    """The server cannot start as it is set. `problems` are sentences that begin with the variable's name."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _setting(variable: str, default: str | None, explanation: str, parse: Callable[[str], object], **more: Any) -> Any:
    """Declare one: its default is written as in the environment; None means required, "" not set."""
    metadata = {"variable": variable, "default": default, "explanation": explanation, "parse": parse}
    return attrs.field(metadata=metadata, **more)


@frozen(kw_only=True)
class Settings:
    """All settings. The class is the documentation of the variables, see `configuration_table`."""

    api_secret: str = _setting(
        "AGENT_API_SECRET", None, "The bearer token of every request; at least 16 characters", values.secret, repr=False
    )
    port: int = _setting("PORT", "3456", "Where to listen; 0 takes any free port and prints it", values.whole(0, 65535))
    host: str = _setting(
        "AGENT_HOST", "127.0.0.1", "The address to listen on; tunnels and `tailscale serve` want loopback", values.line
    )
    max_concurrent_jobs: int = _setting("MAX_CONCURRENT_JOBS", "2", "How many jobs run at once", values.whole(1, 1000))
    max_queued_jobs: int = _setting(
        "MAX_QUEUED_JOBS", "10000", "How many jobs may wait; one more is refused with 429", values.whole(1, 10_000_000)
    )
    repos_dir: Path = _setting("REPOS_DIR", "~/repos", "The bare repositories", values.path)
    worktrees_dir: Path = _setting("WORKTREES_DIR", "~/worktrees", "The jobs' worktrees", values.path)
    home: Path = _setting("AGENT_HOME", "~/agent-server", "The server's own files", values.path)
    db: Path = _setting("AGENT_DB", "$AGENT_HOME/agent.db", "The database file, made when it is not there", values.path)
    logs_dir: Path = _setting(
        "AGENT_LOGS_DIR", "$AGENT_HOME/logs", "The server's log, and one log per job in `jobs/`", values.path
    )
    client_files_dir: Path = _setting(
        "AGENT_CLIENT_FILES_DIR",
        "$AGENT_HOME/files",
        "What clients' `workspace.files` are copied from: a directory per client, named as its repository here",
        values.path,
    )
    webhook_secret: str | None = _setting(
        "WEBHOOK_SECRET",
        "",
        "Signs the callbacks; without it they are not signed",
        values.signing_secret,
        repr=False,
    )
    webhook_secret_old: str | None = _setting(
        "WEBHOOK_SECRET_OLD",
        "",
        "Signs them a second time while secrets are changed",
        values.signing_secret,
        repr=False,
    )
    webhook_signature_format: str = _setting(
        "WEBHOOK_SIGNATURE_FORMAT",
        "sha256",
        "`X-Agent-Signature` as `sha256=<hex>`, or as bare `hex`",
        values.choice("sha256", "hex"),
    )
    callback_allowed_networks: tuple[IPv4Network | IPv6Network, ...] = _setting(
        "CALLBACK_ALLOWED_NETWORKS",
        "",
        "Private networks that callbacks may go to, like 192.168.7.0/24",
        values.networks,
    )
    callback_allow_http: bool = _setting(
        "CALLBACK_ALLOW_HTTP", "0", "1 allows callbacks to public hosts without TLS", values.flag
    )
    log_level: str = _setting(
        "LOG_LEVEL", "info", "debug, info, warn or error", values.choice("debug", "info", "warn", "error")
    )
    log_format: str = _setting(
        "AGENT_LOG_FORMAT",
        "console",
        "How a line of the log looks: `console` for people, `json` for programs",
        values.choice("console", "json"),
    )
    code_agent: str = _setting(
        "AGENT_CODE_AGENT",
        "claude",
        "The agent: `claude`, the scripted `rehearsal`, or another program by `command`",
        values.choice("claude", "rehearsal", "command"),
    )
    command: CommandTemplate | None = _setting(
        "AGENT_COMMAND",
        "",
        "The other program's command line, quoted as for a shell, with {prompt_file}, {worktree} and {session}",
        values.optional(parse_template),
    )
    command_resume: CommandTemplate | None = _setting(
        "AGENT_COMMAND_RESUME",
        "",
        "The same to go on in a session; without it every run begins anew",
        values.optional(parse_template),
    )
    pr_host: str = _setting(
        "AGENT_PR_HOST",
        "github",
        "Where pull requests go: `github` through gh, or `local` files",
        values.choice("github", "local"),
    )
    git_remote: str = _setting(
        "AGENT_GIT_REMOTE", "git@github.com:{org}/{repo}.git", "The origin of a client's repository", values.remote
    )
    git_name: str = _setting("AGENT_GIT_NAME", "Claude Code Agent", "The author of the commits", values.identity)
    git_email: str = _setting("AGENT_GIT_EMAIL", "agent-server@localhost", "The author's address", values.identity)
    permission_mode: str = _setting(
        "AGENT_PERMISSION_MODE",
        "acceptEdits",
        "The claude CLI's permission mode; `bypassPermissions` lets the agent do whatever your user may",
        values.choice(*PermissionMode),
    )
    allowed_tools: str = _setting(
        "AGENT_ALLOWED_TOOLS", "Bash", "Tools the agent uses without asking, separated by commas", values.line
    )
    repo_trust: Literal["instructions", "full", "none"] = _setting(
        "AGENT_REPO_TRUST",
        "instructions",
        "What of a repository counts: `instructions` (its CLAUDE.md or AGENTS.md), `full` (its hooks, MCP servers and "
        "settings too), `none`",
        values.choice(*RepoTrust),
    )
    model: str | None = _setting(
        "AGENT_MODEL", "", "The agent's model; the CLI's own default without it", values.optional(values.line)
    )
    max_turns: int | None = _setting(
        "AGENT_MAX_TURNS", "", "The most turns of one run", values.optional(values.whole(1, 1_000_000))
    )
    claude_args: tuple[str, ...] = _setting(
        "AGENT_CLAUDE_ARGS", "", "More arguments for the claude CLI, quoted as for a shell", values.shell_words
    )
    pass_env: tuple[str, ...] = _setting(
        "AGENT_PASS_ENV", "", "Names of more variables that the agent gets, separated by commas", values.words
    )
    limit_reserve: float | None = _setting(
        "AGENT_LIMIT_RESERVE",
        "",
        "When so much of a limit of the subscription is used (like 90%), only jobs of priority 1 and more start",
        values.optional(values.share),
    )
    min_free_disk: int = _setting(
        "AGENT_MIN_FREE_DISK", "2GiB", "With less free space than that no job is taken or started", values.size
    )
    max_file_size: int = _setting(
        "AGENT_MAX_FILE_SIZE", "50MB", "Work with a file over that size is not published", values.size
    )
    message_days: int = _setting(
        "AGENT_MESSAGE_DAYS",
        "30",
        "How many days the messages and log files of a finished job are kept; 0: for ever",
        values.whole(0, 36500),
    )
    message_mb: int = _setting(
        "AGENT_MESSAGE_MB",
        "50",
        "How many MiB of what the agent says are stored per job; its log file has everything",
        values.whole(1, 1_000_000),
    )
    job_timeout: timedelta = _setting("AGENT_JOB_TIMEOUT", "7200", "How long one run may take", values.duration(1))
    silence_timeout: timedelta = _setting(
        "AGENT_SILENCE_TIMEOUT", "1800", "How long the agent may say nothing", values.duration(1)
    )
    result_grace: timedelta = _setting(
        "AGENT_RESULT_GRACE", "120", "How long the agent may stay silent after its result", values.duration(0)
    )
    shutdown_timeout: timedelta = _setting(
        "AGENT_SHUTDOWN_TIMEOUT", "60", "How long running jobs may go on after SIGTERM", values.duration(0)
    )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return values.is_loopback(self.host)

    @property
    def git_author(self) -> tuple[str, str]:
        """Name and address."""
        return self.git_name, self.git_email

    @property
    def message_age(self) -> timedelta | None:
        """How long messages are kept; None: for ever."""
        return timedelta(days=self.message_days) if self.message_days else None

    @property
    def message_bytes(self) -> int:
        """How much of what the agent says is stored per job."""
        return self.message_mb * 1024 * 1024

    @property
    def private_dir(self) -> Path:
        """What the server keeps of repositories out of the agents' reach."""
        return self.home / "git"

    @property
    def scratch_dir(self) -> Path:
        """What lives as long as a run of the agent."""
        return self.home / "tmp"

    @property
    def tokens_file(self) -> Path:
        """The named tokens."""
        return self.home / "tokens.json"

    @property
    def pulls_dir(self) -> Path:
        """The local pull requests."""
        return self.home / "pulls"

    @property
    def job_logs_dir(self) -> Path:
        """One log per job."""
        return self.logs_dir / "jobs"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings; an empty variable counts as not set. Raises SettingsError with every problem."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    for option in attrs.fields(Settings):
        try:
            found[option.name] = _value(option, environ)
        except ValueError as error:
            problems.append(str(error))
    if found.get("code_agent") == "command" and "command" in found and found["command"] is None:
        problems.append("AGENT_COMMAND: is not set, but AGENT_CODE_AGENT is command")
    secret, host = found.get("api_secret"), found.get("host")
    if secret and host and len(secret) < SHORT_SECRET and not values.is_loopback(host):
        problems.append(
            f"AGENT_API_SECRET: must have {SHORT_SECRET} characters or more while AGENT_HOST is not loopback"
        )
    if problems:
        raise SettingsError(problems)
    return Settings(**found)


def read_database_path(environ: Mapping[str, str]) -> Path:
    """Read AGENT_DB alone, for who needs nothing else. Raises SettingsError."""
    try:
        path: Path = _value(attrs.fields(Settings).db, environ)
    except ValueError as error:
        raise SettingsError([str(error)]) from None
    return path


def configuration_table() -> str:
    """Write all variables as a Markdown table."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for option in attrs.fields(Settings):
        variable, default, explanation = (option.metadata[key] for key in ("variable", "default", "explanation"))
        shown = {None: "required", "": ""}.get(default, f"`{default}`")
        lines.append(f"| `{variable}` | {shown} | {explanation} |")
    return "\n".join(lines) + "\n"


def _value(option: "attrs.Attribute[Any]", environ: Mapping[str, str]) -> Any:
    variable, default, parse = (option.metadata[key] for key in ("variable", "default", "parse"))
    text = environ.get(variable) or default
    if text is None:
        raise ValueError(f"{variable}: is not set, but required")
    try:
        return parse(values.placed(text, environ) if parse is values.path else text)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None
