"""What a caller may ask for: the rules for each field of a request, with the JSON name of the field at fault."""

from collections.abc import Callable
from urllib.parse import urlsplit

from agent_core.domain.branch_name import branch_name_problem
from agent_core.domain.client import org_problem, repo_problem
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job import FollowUp, JobRequest
from agent_core.domain.job_options import JobOptions
from agent_core.domain.settings_rules import check_options, check_priority
from agent_core.domain.tags import check_tags
from agent_core.domain.text_rules import MAX_NAME, MAX_TITLE, check_line, check_prompt

MAX_URL = 2000

UrlRule = Callable[[str], str | None]


def check_job_request(request: JobRequest, url_problem: UrlRule) -> None:
    """Raise InvalidValue for the first field that no job may have. `url_problem` judges callback URLs."""
    check_prompt("prompt", request.prompt)
    _refuse("branchName", branch_name_problem(request.branch_name))
    if request.title:
        check_line("title", request.title, MAX_TITLE)
    _check_callers_facts(request.os_feature_id, request.os_callback_url, url_problem)
    check_tags("tags", request.tags)
    check_priority(request.priority)
    check_options(request.options)
    if request.client_id is None and request.github_org is None and request.github_repo is None:
        raise InvalidValue("clientId", "give it, or githubOrg and githubRepo")
    if (request.github_org is None) != (request.github_repo is None):
        missing = "githubOrg" if request.github_org is None else "githubRepo"
        raise InvalidValue(missing, "githubOrg and githubRepo belong together")
    if request.github_org is not None and request.github_repo is not None:
        check_repository(request.github_org, request.github_repo)


def check_follow_up(wanted: FollowUp, url_problem: UrlRule) -> None:
    """Raise InvalidValue for the first field that no follow-up may have."""
    check_prompt("prompt", wanted.prompt)
    if wanted.title:
        check_line("title", wanted.title, MAX_TITLE)
    _check_callers_facts(wanted.os_feature_id, wanted.os_callback_url, url_problem)
    check_tags("tags", wanted.tags or {})
    check_priority(wanted.priority or 0)
    check_options(JobOptions().overlaid(wanted))


def _check_callers_facts(feature_id: str | None, callback_url: str | None, url_problem: UrlRule) -> None:
    if feature_id is not None:
        check_line("osFeatureId", feature_id, MAX_NAME)
    if callback_url is not None:
        check_line("osCallbackUrl", callback_url, MAX_URL)
        _refuse("osCallbackUrl", url_problem(callback_url))


def check_repository(org: str, repo: str) -> None:
    """Raise InvalidValue when organisation or repository cannot exist."""
    _refuse("githubOrg", org_problem(org))
    _refuse("githubRepo", repo_problem(repo))


def check_default_branch(name: str) -> None:
    """Raise InvalidValue when no branch can be called so."""
    _refuse("defaultBranch", branch_name_problem(name))


def plain_url_problem(url: str) -> str | None:
    """Say why `url` is no http(s) address, or None. What may be dialled is the notifier's to decide."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "must be an http or https URL"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must be an http or https URL"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    return None


def _refuse(field: str, problem: str | None) -> None:
    if problem is not None:
        raise InvalidValue(field, problem)
