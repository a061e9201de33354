"""What a client's settings and a job's options may be: the rules beside the types, with the JSON path of the value at
fault."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from agent_core.domain.client_settings import ClientSettings
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job_options import JobOptions
from agent_core.domain.text_rules import MAX_NAME, MAX_TITLE, check_line, check_prompt

MAX_ITEMS = 100
MAX_COMMAND = 4000
MAX_TEMPLATE = 20_000
MAX_SHARE = 1000
MAX_SECONDS = 7 * 24 * 3600
MAX_TURNS = 1_000_000
MAX_COST = 1_000_000.0
MAX_RETRIES = 20
PRIORITIES = (-100, 100)
LONGEST_PART = 255
"""Bytes of one part of a path: no disk takes more."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:/[A-Za-z0-9._-]{1,100})?")
OURS = re.compile(
    r"AGENT_.*|WEBHOOK_SECRET.*|CLAUDE_CODE_TMPDIR|CLAUDE_CONFIG_DIR|GH_TOKEN|GITHUB_TOKEN|GH_ENTERPRISE_TOKEN"
    r"|GITHUB_ENTERPRISE_TOKEN|LD_.*|DYLD_.*|HOME"
)
"""Variables that a client cannot set: the server's own, and those that would lead its programs elsewhere."""


def check_settings(settings: ClientSettings) -> None:
    """Raise InvalidValue for the first setting that no client may have."""
    _check_agent(settings)
    _check_workspace(settings)
    _check_delivery(settings)
    queue = settings.queue
    _check_range("settings.queue.maxConcurrent", queue.max_concurrent, 1, 1000)
    _check_range("settings.queue.share", queue.share, 1, MAX_SHARE)


def check_options(options: JobOptions) -> None:
    """Raise InvalidValue for the first option that no job may have."""
    if options.model is not None:
        check_word("model", options.model)
    _check_range("maxTurns", options.max_turns, 1, MAX_TURNS)
    _check_cost("maxCostUsd", options.max_cost_usd)
    _check_range("timeout", options.timeout, 1, MAX_SECONDS)


def check_priority(priority: int) -> None:
    """Raise InvalidValue unless a job may have this priority."""
    _check_range("priority", priority, *PRIORITIES)


def _check_agent(settings: ClientSettings) -> None:
    agent = settings.agent
    if agent.model is not None:
        check_word("settings.agent.model", agent.model)
    for path, tool in _items("settings.agent.allowedTools", agent.allowed_tools or ()):
        check_line(path, tool, MAX_NAME)
    if agent.instructions is not None:
        check_prompt("settings.agent.instructions", agent.instructions)
    _check_range("settings.agent.maxTurns", agent.max_turns, 1, MAX_TURNS)
    _check_cost("settings.agent.maxCostUsd", agent.max_cost_usd)
    _check_range("settings.agent.timeout", agent.timeout, 1, MAX_SECONDS)
    for path, word in _items("settings.agent.args", agent.args):
        check_line(path, word, MAX_COMMAND)
    if len(agent.env) > MAX_ITEMS:
        raise InvalidValue("settings.agent.env", f"must not have more than {MAX_ITEMS} variables")
    for name, value in agent.env.items():
        path = f"settings.agent.env.{name}"
        if not _VARIABLE.fullmatch(name):  # it is not quoted: somebody may have put the value into it
            raise InvalidValue(
                "settings.agent.env", "names must be of letters, digits and underscores, not beginning with a digit"
            )
        if OURS.fullmatch(name):
            raise InvalidValue(path, "is set by the server and cannot be a client's")
        if "\0" in value or len(value) > MAX_TEMPLATE:
            raise InvalidValue(path, f"must not hold a NUL character or be longer than {MAX_TEMPLATE} characters")


def _check_workspace(settings: ClientSettings) -> None:
    workspace = settings.workspace
    for name, commands in (("setup", workspace.setup), ("checks", workspace.checks)):
        for path, command in _items(f"settings.workspace.{name}", commands):
            _check_text(path, command, MAX_COMMAND)
    _check_range("settings.workspace.setupTimeout", workspace.setup_timeout, 1, MAX_SECONDS)
    _check_range("settings.workspace.checksTimeout", workspace.checks_timeout, 1, MAX_SECONDS)
    _check_range("settings.workspace.checkRetries", workspace.check_retries, 0, MAX_RETRIES)
    for path, file in _items("settings.workspace.files", workspace.files):
        check_relative_path(path, file)
    if workspace.directory is not None:
        check_relative_path("settings.workspace.directory", workspace.directory)


def _check_delivery(settings: ClientSettings) -> None:
    delivery = settings.delivery
    for path, label in _items("settings.delivery.labels", delivery.labels):
        check_line(path, label, 50)
    for path, reviewer in _items("settings.delivery.reviewers", delivery.reviewers):
        if not _REVIEWER.fullmatch(reviewer):
            raise InvalidValue(path, "must be a GitHub login, or org/team")
    if delivery.body_template is not None:
        _check_text("settings.delivery.bodyTemplate", delivery.body_template, MAX_TEMPLATE)
    if delivery.commit_prefix is not None:
        check_line("settings.delivery.commitPrefix", delivery.commit_prefix, MAX_TITLE)
    for path, pattern in _items("settings.delivery.protectedPaths", delivery.protected_paths):
        check_line(path, pattern, MAX_NAME)


def check_relative_path(field: str, path: str) -> None:
    """Raise InvalidValue unless `path` names something inside a directory, written in its shortest way."""
    check_line(field, path, 1000)
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\\" in path:
        raise InvalidValue(field, "must be a relative path without '..'")
    if not parts or str(PurePosixPath(path)) != path.rstrip("/"):
        raise InvalidValue(field, "must be a plain relative path, like config/local.json")
    if any(len(part.encode()) > LONGEST_PART for part in parts):
        raise InvalidValue(field, f"must not have a part over {LONGEST_PART} bytes")
    if any(part.lower() == ".git" for part in parts):
        raise InvalidValue(field, "must not lead into .git")
    if any(c in '*?["' for c in path) or path.startswith(":"):
        raise InvalidValue(field, "must name one file or directory, without wildcards")


def check_word(field: str, text: str) -> None:
    """Raise InvalidValue unless `text` is one word that no program takes for an option."""
    check_line(field, text, MAX_NAME)
    if text.startswith("-") or any(c.isspace() for c in text):
        raise InvalidValue(field, "must be one word that does not begin with '-'")


def _check_text(field: str, text: str, longest: int) -> None:
    check_prompt(field, text)
    if len(text) > longest:
        raise InvalidValue(field, f"must not be longer than {longest} characters")


def _check_range(field: str, number: int | None, low: int, high: int) -> None:
    if number is not None and not low <= number <= high:
        raise InvalidValue(field, f"must be from {low} to {high}")


def _check_cost(field: str, cost: float | None) -> None:
    if cost is not None and not 0 < cost <= MAX_COST:  # also refuses what is no number
        raise InvalidValue(field, f"must be more than 0 and at most {MAX_COST:.0f}")


def _items(field: str, values: Sequence[str]) -> Iterable[tuple[str, str]]:
    if len(values) > MAX_ITEMS:
        raise InvalidValue(field, f"must not have more than {MAX_ITEMS} items")
    return ((f"{field}[{index}]", value) for index, value in enumerate(values))
