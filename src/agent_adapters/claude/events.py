"""The CLI's stream-json events as messages for people. Pure.

Every event keeps its raw text: it goes with the first message made from it, or, where it makes none, with one that
has no content. Fields are asked for and never relied upon; the CLI adds and drops some with every version.
"""

import json
from collections.abc import Callable, Iterator, Mapping

from agent_adapters.claude.answer import Answer
from agent_adapters.claude.values import Event, fit, items, mapping, moment, number, text
from agent_adapters.processes import shortened, tidy
from agent_core.domain.job import MessageType
from agent_core.ports import AgentMessage

OUT, ERR, SYSTEM = MessageType.STDOUT, MessageType.STDERR, MessageType.SYSTEM
LONGEST = 1 << 20
LONGEST_ERROR = 4000
LONGEST_TOOL = 300

Words = Iterator[tuple[MessageType, str]]

SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "Bash": ("command",),
    "Read": ("file_path",),
    "Write": ("file_path",),
    "Edit": ("file_path",),
    "MultiEdit": ("file_path",),
    "NotebookEdit": ("notebook_path",),
    "Glob": ("pattern", "path"),
    "Grep": ("pattern", "path"),
    "LS": ("path",),
    "Agent": ("description",),
    "Task": ("description",),
    "WebFetch": ("url",),
    "WebSearch": ("query",),
    "Skill": ("skill", "command"),
}
"""What of a tool's input says what it is about."""


def said(event: Event | Answer, raw: bytes, cwd: str) -> list[AgentMessage]:
    """Make the event's messages. Paths below `cwd` are shown relative to it."""
    if isinstance(event, Answer):
        words = _answer(event, cwd)
    else:
        tell = _TELL.get(text(event, "type"))
        words = iter(()) if tell is None else tell(event)
    messages: list[AgentMessage] = []
    for kind, content in words:
        if content and not content.isspace():
            messages.append(AgentMessage(kind, shortened(content, LONGEST), None if messages else raw))
    return messages or [AgentMessage(SYSTEM, "", raw)]


def plain(kind: MessageType, line: str) -> list[AgentMessage]:
    """Make the message of a line that is no event."""
    return [AgentMessage(kind, tidy(line))] if line.strip() else []


def left_out(raw: bytes) -> list[AgentMessage]:
    """Make the message of an event that was too long to be read whole."""
    beginning = tidy(raw[:200].decode("utf-8", "ignore"))
    return [AgentMessage(SYSTEM, f"An event too long to be read was left out: {beginning}…", raw)]


def _answer(answer: Answer, cwd: str) -> Words:
    for block in answer.message.content:
        if block.type == "text":
            yield ERR if answer.failed else OUT, block.text.strip("\n").replace("\0", "\ufffd")
        elif block.type == "tool_use":
            yield OUT, _tool(fit(block.name), block.input, cwd)


def _tool(name: str, given: Event, cwd: str) -> str:
    """One line that says what a tool is used for."""
    if name == "TodoWrite":
        return f"{name}: {len(items(given, 'todos'))} items"
    words = " in ".join(filter(None, (text(given, key) for key in SUBJECTS.get(name, ()))))
    if not words and given:
        words = tidy(json.dumps(given, ensure_ascii=False))
    if not name.startswith("Bash"):
        words = words.replace(cwd.rstrip("/") + "/", "") if cwd else words
    first, _, more = words.strip().partition("\n")
    return f"{name or 'Tool'}: {shortened(first, LONGEST_TOOL)}{' …' if more else ''}"


def _user(event: Event) -> Words:
    for block in items(mapping(event, "message"), "content"):
        if block.get("type") == "tool_result" and block.get("is_error") is True:
            parts = [text(block, "content"), *(text(part, "text") for part in items(block, "content"))]
            yield ERR, shortened("\n".join(filter(None, parts)), LONGEST_ERROR)


def _system(event: Event) -> Words:
    match event.get("subtype"):
        case "init":
            version, model = text(event, "claude_code_version"), text(event, "model")
            yield SYSTEM, f"Claude Code {version}, model {model}, session {text(event, 'session_id')}"
        case "api_retry":
            status = int(number(event, "error_status")) or "nothing"
            yield (
                SYSTEM,
                f"The service answered {status} ({text(event, 'error')}): trying again in "
                f"{number(event, 'retry_delay_ms') / 1000:.1f} s "
                f"({number(event, 'attempt'):.0f} of {number(event, 'max_retries'):.0f})",
            )
        case "permission_denied":
            yield SYSTEM, f"{text(event, 'tool_name')} was not allowed: {text(event, 'message')}"
        case "model_fallback" | "informational":
            yield SYSTEM, text(event, "content")
        case "task_notification":
            yield SYSTEM, text(event, "summary")
        case "compact_boundary":
            yield SYSTEM, "The conversation was long and has been summarised"


def _rate_limit(event: Event) -> Words:
    info = mapping(event, "rate_limit_info")
    name, resets = text(info, "rateLimitType") or "usage", moment(info, "resetsAt")
    until = f", resets at {resets:%Y-%m-%d %H:%M} UTC" if resets else ""
    if info.get("status") == "allowed_warning":
        yield SYSTEM, f"{number(info, 'utilization'):.0%} of the {name} limit is used{until}"
    elif info.get("status") == "rejected" and info.get("isUsingOverage") is True:
        yield SYSTEM, f"The {name} limit is used up{until}; extra usage is paid for"
    elif info.get("status") == "rejected":
        yield SYSTEM, f"The service refuses requests: {name} limit{until}"


def _result(event: Event) -> Words:
    turns, seconds = number(event, "num_turns"), number(event, "duration_ms") / 1000
    how = "failed" if event.get("is_error") is True else "finished"
    yield SYSTEM, f"The agent {how} after {turns:.0f} turn{'' if turns == 1 else 's'} and {seconds:.1f} s"


_TELL: Mapping[str, Callable[[Event], Words]] = {
    "user": _user,
    "system": _system,
    "rate_limit_event": _rate_limit,
    "result": _result,
}
