"""What the document says of a text in a request is what the core keeps."""

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_core.domain.branch_name import branch_name_problem
from agent_core.domain.client import org_problem, repo_problem
from agent_core.domain.client_settings import AgentSettings, ClientSettings, DeliverySettings
from agent_core.domain.errors import InvalidValue
from agent_core.domain.settings_rules import check_relative_path, check_settings, check_word
from agent_core.domain.tags import check_tags
from agent_core.domain.text_rules import MAX_NAME, MAX_TITLE, check_line, check_prompt
from agent_http.jobs_routes import tags_of
from agent_http.schema import texts

Check = Callable[[str], object]


def refused(check: Check, text: str) -> bool:
    try:
        problem = check(text)
    except InvalidValue:
        return True
    return problem is not None


def settings_with(**agent: Any) -> None:
    check_settings(ClientSettings(agent=AgentSettings(**agent)))


def reviewed_by(name: str) -> None:
    check_settings(ClientSettings(delivery=DeliverySettings(reviewers=(name,))))


def optional_title(text: str) -> None:
    if text:
        check_line("title", text, MAX_TITLE)


def tag(text: str) -> None:
    tags_of([text])


RULES: dict[str, tuple[Any, Check]] = {
    "line": (texts.Line, lambda text: check_line("x", text, MAX_NAME)),
    "title": (texts.Title, optional_title),
    "prompt": (texts.Prompt, lambda text: check_prompt("x", text)),
    "word": (texts.Word, lambda text: check_word("x", text)),
    "branch": (texts.BranchName, branch_name_problem),
    "org": (texts.GithubOrg, org_problem),
    "repo": (texts.GithubRepo, repo_problem),
    "path": (texts.RelativePath, lambda text: check_relative_path("x", text)),
    "variable": (texts.VariableName, lambda text: settings_with(env={text: "x"})),
    "value": (texts.VariableValue, lambda text: settings_with(env={"X": text})),
    "reviewer": (texts.Reviewer, reviewed_by),
    "tag name": (texts.TagName, lambda text: check_tags("tags", {text: "x"})),
    "tag": (texts.Tag, tag),
}
SPACES = " \u00a0\u1680\u2003\u202f\u205f\u3000"
PIECES = [
    *("a", "Z", "9", "_", "-", ".", "..", "/", "//", ":", "\\", "*", "?", "[", '"', "é", "\N{GRINNING FACE}", "\ufeff"),
    *(".git", ".GIT", "git", ".lock", "refs/", "HEAD", "HOME", "AGENT_", "LD_", "a" * 40, "b" * 101, "c" * 256),
    *("\0", "\t", "\n", "\r", "\x1c", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", *SPACES),
]
words = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(max_size=12)


def ends_here(pattern: str) -> str:
    """Write `$` as Python does: by itself it would allow a line's end before the end."""
    return pattern.replace("$", r"\Z")


def allowed(kind: Any, text: str) -> bool:
    """Whether the document allows the text, by the metadata that it is made of."""
    [meta] = get_args(kind)[1:]
    more = meta.extra_json_schema or {}
    return (
        (meta.min_length is None or len(text) >= meta.min_length)
        and (meta.max_length is None or len(text) <= meta.max_length)
        and re.search(ends_here(meta.pattern), text) is not None
        and not ("not" in more and re.search(ends_here(more["not"]["pattern"]), text))
    )


@pytest.mark.parametrize("name", RULES)
@given(text=words)
@example(text="a\n")
@example(text="x.git")
@example(text="a.lock/b")
@example(text="./a")
@example(text=" ")
def test_a_text_is_allowed_by_the_document_exactly_where_the_core_takes_it(name: str, text: str) -> None:
    kind, check = RULES[name]
    assert allowed(kind, text) is not refused(check, text), text


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
def test_a_text_made_by_the_documents_pattern_is_taken(name: str, data: st.DataObject) -> None:
    kind, check = RULES[name]
    [meta] = get_args(kind)[1:]
    text = data.draw(st.from_regex(ends_here(meta.pattern)).filter(lambda text: allowed(kind, text)))
    assert not refused(check, text)
