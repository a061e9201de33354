"""The settings of a client as a form has them: what each is called, what it means, and what it is without a word."""

from collections.abc import Sequence
from enum import StrEnum

from attrs import frozen

from agent_adapters.wire import camel
from agent_core.domain.client_settings import PermissionMode, RepoTrust
from agent_core.domain.job_options import DeliveryMode


class Kind(StrEnum):
    """How a setting is typed."""

    LINE = "line"
    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    CHOICE = "choice"
    LINES = "lines"
    """A list, an item a line."""
    COMMANDS = "commands"
    """A list whose items may have many lines: a box each."""
    VARIABLES = "variables"


@frozen
class SettingField:
    """One setting. `name` is the field's name in its group; `usual` says what counts without it."""

    group: str
    name: str
    kind: Kind
    label: str
    usual: str
    about: str
    choices: Sequence[str] = ()

    @property
    def path(self) -> str:
        """The path that the API has for it, below `settings`; the names of its inputs begin with it."""
        return f"{self.group}.{camel(self.name)}"


@frozen
class Group:
    """Settings that belong together."""

    name: str
    label: str
    about: str
    fields: Sequence[SettingField]


def _group(name: str, label: str, about: str, *rows: tuple[str, Kind, str, str, str]) -> Group:
    choices: dict[str, Sequence[str]] = {
        "permission_mode": [*PermissionMode],
        "repo_trust": [*RepoTrust],
        "mode": [*DeliveryMode],
    }
    return Group(name, label, about, [SettingField(name, *row, choices.get(row[0], ())) for row in rows])


GROUPS: Sequence[Group] = (
    _group(
        "agent",
        "Agent",
        "How the agent runs.",
        ("model", Kind.LINE, "Model", "AGENT_MODEL", "The agent's model, as its CLI calls it."),
        (
            "permission_mode",
            Kind.CHOICE,
            "Permission mode",
            "AGENT_PERMISSION_MODE",
            "What it may do without asking; nobody is there to be asked.",
        ),
        (
            "allowed_tools",
            Kind.LINES,
            "Allowed tools",
            "AGENT_ALLOWED_TOOLS",
            "Used without asking, one a line, like Bash(npm test:*).",
        ),
        ("instructions", Kind.TEXT, "Instructions", "none", "Appended to the agent's own instructions."),
        ("max_turns", Kind.NUMBER, "Most turns", "AGENT_MAX_TURNS", "Of one run."),
        ("max_cost_usd", Kind.MONEY, "Most cost", "none", "Of one run, in US dollars as the agent counts them."),
        ("timeout", Kind.NUMBER, "Time limit", "AGENT_JOB_TIMEOUT", "Seconds that one run may take."),
        (
            "args",
            Kind.LINES,
            "More arguments",
            "none",
            "Words for the agent's command line, one a line; they come last.",
        ),
        (
            "repo_trust",
            Kind.CHOICE,
            "Repository's own configuration",
            "AGENT_REPO_TRUST",
            "What of it counts: its instructions; its hooks, servers and settings too (full); nothing.",
        ),
        (
            "env",
            Kind.VARIABLES,
            "Environment",
            "none",
            "Variables for the agent, setup and checks. Values are secrets: they are never shown again.",
        ),
    ),
    _group(
        "workspace",
        "Workspace",
        "What is done to a job's checkout before the agent works in it, and before its work is published.",
        ("setup", Kind.COMMANDS, "Setup", "none", "Shell commands, run in turn before the agent."),
        ("setup_timeout", Kind.NUMBER, "Time limit of the setup", "900", "Seconds, for all of it."),
        ("checks", Kind.COMMANDS, "Checks", "none", "Shell commands that must succeed before the work is published."),
        ("checks_timeout", Kind.NUMBER, "Time limit of the checks", "900", "Seconds, for all of them."),
        (
            "check_retries",
            Kind.NUMBER,
            "Tries after a failed check",
            "2",
            "How often the agent is told what failed and goes on.",
        ),
        (
            "files",
            Kind.LINES,
            "Files",
            "none",
            "Copied in from the client's folder of files, like .env; one path a line. Never part of the work.",
        ),
        ("directory", Kind.LINE, "Directory", "the root", "Where in the repository agent, setup and checks start."),
    ),
    _group(
        "delivery",
        "Delivery",
        "How the work is brought back.",
        (
            "mode",
            Kind.CHOICE,
            "What becomes of the work",
            "pull_request",
            "A pull request, a draft of one, a pushed branch, or a patch that stays on this machine.",
        ),
        ("commit_prefix", Kind.LINE, "Commit prefix", "none", "Stands before the title in the commit's message."),
        ("labels", Kind.LINES, "Labels", "none", "Of the pull request, one a line."),
        ("reviewers", Kind.LINES, "Reviewers", "none", "Logins or org/team, one a line."),
        (
            "protected_paths",
            Kind.LINES,
            "Protected paths",
            "none",
            "Patterns of files that no job may change, one a line, like .github/**.",
        ),
        (
            "body_template",
            Kind.TEXT,
            "Text of the pull request",
            "the repository's own template",
            "With {title}, {prompt}, {summary}, {featureId}, {jobId} and {branch} in it.",
        ),
    ),
    _group(
        "queue",
        "Queue",
        "How its jobs stand beside those of other clients.",
        ("max_concurrent", Kind.NUMBER, "Jobs at once", "no limit of its own", "At most so many run at the same time."),
        ("share", Kind.NUMBER, "Share", "1", "Of the agent's time while others wait too: 2 gets twice the time of 1."),
    ),
)
FIELDS: Sequence[SettingField] = [field for group in GROUPS for field in group.fields]
