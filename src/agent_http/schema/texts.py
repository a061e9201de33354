"""What texts and numbers in requests may be, as a JSON Schema says it. The core keeps the same rules, in sentences.

Two rules no schema can tell: lengths in bytes, and which addresses a callback may go to.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from agent_core.domain import branch_name
from agent_core.domain.request_rules import MAX_URL
from agent_core.domain.settings_rules import (
    LONGEST_PART,
    MAX_COMMAND,
    MAX_COST,
    MAX_ITEMS,
    MAX_RETRIES,
    MAX_SECONDS,
    MAX_SHARE,
    MAX_TEMPLATE,
    MAX_TURNS,
    OURS,
    PRIORITIES,
)
from agent_core.domain.tags import MAX_TAGS, TAG_NAME
from agent_core.domain.text_rules import MAX_NAME, MAX_TITLE

_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_SPACE = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_BLANK = rf"\u0009-\u000d\u001c-\u001f\u0085\u2028\u2029{_SPACE}"
"""Spelled out: what `\\s` means is another thing in each language."""
_LINE = rf"[^{_CONTROL}]*[^{_CONTROL}{_SPACE}][^{_CONTROL}]*"
_PROMPT = rf"^[^\u0000]*[^\u0000{_BLANK}][^\u0000]*$"
_BRANCH = r"^[A-Za-z0-9_](?:\.?[A-Za-z0-9_-]|/[A-Za-z0-9_])*$"
_PATH_PART = rf'[^/\\*?\["{_CONTROL}]{{1,{LONGEST_PART}}}'


def _text(pattern: str, but: str = "", shortest: int | None = None, longest: int | None = None) -> Meta:
    """A text of these characters, that has nothing of `but` in it. Written so, generators find examples quickly."""
    without = {"not": {"type": "string", "pattern": but}} if but else None
    return Meta(min_length=shortest, max_length=longest, pattern=pattern, extra_json_schema=without)


def _line(longest: int) -> Meta:
    return _text(f"^{_LINE}$", shortest=1, longest=longest)


Line = Annotated[str, _line(MAX_NAME)]
Title = Annotated[str, _text(f"^(?:{_LINE})?$", longest=MAX_TITLE)]
Prompt = Annotated[str, _text(_PROMPT, shortest=1)]
Word = Annotated[str, _text(rf"^[^{_CONTROL}{_SPACE}-][^{_CONTROL}{_SPACE}]*$", shortest=1, longest=MAX_NAME)]
BranchName = Annotated[
    str,
    _text(
        _BRANCH,
        but=rf"^HEAD$|^refs/|\.lock(?:/|$)|[^/]{{{branch_name.MAX_PART + 1}}}",
        shortest=1,
        longest=branch_name.MAX_LENGTH,
    ),
]
GithubOrg = Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$")]
GithubRepo = Annotated[str, _text(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$", but=r"\.[Gg][Ii][Tt]$")]
CallbackUrl = Annotated[str, Meta(min_length=1, max_length=MAX_URL, extra_json_schema={"format": "uri"})]
TagName = Annotated[str, _text(f"^{TAG_NAME}$")]
Tags = Annotated[Mapping[TagName, Line], Meta(max_length=MAX_TAGS)]
Tag = Annotated[str, _text(f"^{TAG_NAME}:{_LINE}$")]

Tools = Annotated[tuple[Line, ...], Meta(max_length=MAX_ITEMS)]
Arguments = Annotated[tuple[Annotated[str, _line(MAX_COMMAND)], ...], Meta(max_length=MAX_ITEMS)]
VariableName = Annotated[str, _text(r"^[A-Za-z_][A-Za-z0-9_]{0,199}$", but=f"^(?:{OURS.pattern})$")]
VariableValue = Annotated[str, _text(r"^[^\u0000]*$", longest=MAX_TEMPLATE)]
Variables = Annotated[Mapping[VariableName, VariableValue | None], Meta(max_length=MAX_ITEMS)]
Command = Annotated[str, _text(_PROMPT, shortest=1, longest=MAX_COMMAND)]
Commands = Annotated[tuple[Command, ...], Meta(max_length=MAX_ITEMS)]
RelativePath = Annotated[
    str,
    _text(
        rf"^{_PATH_PART}(?:/{_PATH_PART})*/*$",
        but=rf"^:|^[{_SPACE}]*$|^(?:.*/)?(?:\.{{1,2}}|\.[Gg][Ii][Tt])(?:/|$)",
        shortest=1,
        longest=1000,
    ),
]
RelativePaths = Annotated[tuple[RelativePath, ...], Meta(max_length=MAX_ITEMS)]
Labels = Annotated[tuple[Annotated[str, _line(50)], ...], Meta(max_length=MAX_ITEMS)]
Reviewer = Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:/[A-Za-z0-9._-]{1,100})?$")]
Reviewers = Annotated[tuple[Reviewer, ...], Meta(max_length=MAX_ITEMS)]
Template = Annotated[str, _text(_PROMPT, shortest=1, longest=MAX_TEMPLATE)]
CommitPrefix = Annotated[str, _line(MAX_TITLE)]
PathPatterns = Tools

MaxTurns = Annotated[int, Meta(ge=1, le=MAX_TURNS)]
MaxCost = Annotated[float, Meta(gt=0, le=MAX_COST)]
Seconds = Annotated[int, Meta(ge=1, le=MAX_SECONDS)]
CheckRetries = Annotated[int, Meta(ge=0, le=MAX_RETRIES)]
Priority = Annotated[int, Meta(ge=PRIORITIES[0], le=PRIORITIES[1])]
MaxConcurrent = Annotated[int, Meta(ge=1, le=1000)]
Share = Annotated[int, Meta(ge=1, le=MAX_SHARE)]
