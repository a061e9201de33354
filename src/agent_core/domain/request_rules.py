"""What a caller may ask for: the rules for each field of a request, with the JSON name of the field at fault."""

from collections.abc import Callable
from urllib.parse import urlsplit

from agent_core.domain.branch_name import branch_name_problem
from agent_core.domain.client import org_problem, repo_problem
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job import JobRequest

MAX_PROMPT_BYTES = 256 * 1024
MAX_TITLE = 256
MAX_NAME = 200
MAX_URL = 2000

UrlRule = Callable[[str], str | None]


def check_job_request(request: JobRequest, url_problem: UrlRule) -> None:
    """Raise InvalidValue for the first field that no job may have. `url_problem` judges callback URLs."""
    check_prompt("prompt", request.prompt)
    _refuse("branchName", branch_name_problem(request.branch_name))
    if request.title:
        check_line("title", request.title, MAX_TITLE)
    if request.os_feature_id is not None:
        check_line("osFeatureId", request.os_feature_id, MAX_NAME)
    if request.os_callback_url is not None:
        check_line("osCallbackUrl", request.os_callback_url, MAX_URL)
        _refuse("osCallbackUrl", url_problem(request.os_callback_url))
    if request.client_id is None and request.github_org is None and request.github_repo is None:
        raise InvalidValue("clientId", "give it, or githubOrg and githubRepo")
    if (request.github_org is None) != (request.github_repo is None):
        missing = "githubOrg" if request.github_org is None else "githubRepo"
        raise InvalidValue(missing, "githubOrg and githubRepo belong together")
    if request.github_org is not None and request.github_repo is not None:
        check_repository(request.github_org, request.github_repo)


def check_repository(org: str, repo: str) -> None:
    """Raise InvalidValue when organisation or repository cannot exist."""
    _refuse("githubOrg", org_problem(org))
    _refuse("githubRepo", repo_problem(repo))


def check_default_branch(name: str) -> None:
    """Raise InvalidValue when no branch can be called so."""
    _refuse("defaultBranch", branch_name_problem(name))


def check_prompt(field: str, text: str) -> None:
    """Raise InvalidValue unless `text` can be given to an agent as it is."""
    if not text.strip():
        raise InvalidValue(field, "must not be empty")
    if "\0" in text:
        raise InvalidValue(field, "must not hold a NUL character")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidValue(field, "must be valid Unicode (it holds half of a surrogate pair)") from None
    if size > MAX_PROMPT_BYTES:
        raise InvalidValue(field, f"must not be longer than {MAX_PROMPT_BYTES // 1024} KiB in UTF-8")


def check_line(field: str, text: str, longest: int) -> None:
    """Raise InvalidValue unless `text` is one printable line of at most `longest` characters."""
    if not text.strip():
        raise InvalidValue(field, "must not be empty")
    if len(text) > longest:
        raise InvalidValue(field, f"must not be longer than {longest} characters")
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 or c in "\u2028\u2029" for c in text):
        raise InvalidValue(field, "must be one line of text without control characters")


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
