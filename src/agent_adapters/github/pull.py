"""A pull request as GitHub shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from agent_adapters.github.gh_command import GhAnswer
from agent_core.ports import PullRequestOrder


@frozen(kw_only=True)
class Pull:
    """What an answer says of a pull request; what it does not say is None or empty."""

    number: int
    url: str
    files_changed: int | None = None
    head_sha: str | None = None
    author: str = ""
    labels: frozenset[str] = frozenset()
    """In lower case: two labels of one repository never differ by that alone."""
    review_requested: bool = False
    """Whether a review of somebody is asked for and not there yet."""
    is_new: bool = False
    """Whether it is the answer to a request of ours to open it."""


def pull_in(answer: GhAnswer) -> Pull | None:
    """Read the pull request in the answer; None when there is none."""
    found = answer.json if answer.succeeded else None
    if not isinstance(found, dict):
        return None
    number, url, changed = found.get("number"), found.get("html_url"), found.get("changed_files")
    if not isinstance(number, int) or not isinstance(url, str):
        return None
    sha = _mapping(found, "head").get("sha")
    names = (label.get("name") for label in _items(found, "labels") if isinstance(label, dict))
    return Pull(
        number=number,
        url=url,
        files_changed=changed if isinstance(changed, int) else None,
        head_sha=sha if isinstance(sha, str) else None,
        author=str(_mapping(found, "user").get("login") or ""),
        labels=frozenset(str(name).lower() for name in names),
        review_requested=bool(_items(found, "requested_reviewers") or _items(found, "requested_teams")),
    )


def repository_path(order: PullRequestOrder) -> str:
    """Return the path of the order's repository in the API."""
    return f"repos/{order.repository.org}/{order.repository.name}"


def pulls_path(order: PullRequestOrder) -> str:
    """Return the path of the pull requests of the order's repository in the API."""
    return f"{repository_path(order)}/pulls"


def _mapping(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}


def _items(found: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = found.get(key)
    return value if isinstance(value, list) else []
