"""What a caller may ask for."""

from typing import Any

import pytest
from attrs import evolve

from agent_core.domain.client import directory_for
from agent_core.domain.errors import InvalidValue
from agent_core.domain.job import JobRequest
from agent_core.domain.request_rules import check_job_request, plain_url_problem

GOOD = JobRequest(prompt="Fix it", branch_name="fix/it", client_id="c1")


@pytest.mark.parametrize("name", ["feature/quotes-tab", "a", "A.b_c-d/e", "123", "x" * 100, "release/1.0"])
def test_an_ordinary_branch_name_is_taken(name: str) -> None:
    check_job_request(evolve(GOOD, branch_name=name), plain_url_problem)


@pytest.mark.parametrize(
    "name",
    [
        "", "-x", "a..b", "a b", "a.lock", "@{-1}", "HEAD", "@", "refs/heads/x", "$(id)", "x" * 101, "a/" * 100 + "a",
        "/a", "a/", "a//b", ".a", "a/.b", "a.", "a/-b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "ä", "a\nb",
        "a.lock/b",
    ],
)  # fmt: skip
def test_a_branch_name_that_git_or_we_refuse_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="branchName"):
        check_job_request(evolve(GOOD, branch_name=name), plain_url_problem)


@pytest.mark.parametrize("org", ["..", ".", "a/b", "-u", "", "a" * 40, "a_b", "ä"])
def test_an_organisation_that_cannot_exist_is_refused(org: str) -> None:
    with pytest.raises(InvalidValue, match="githubOrg"):
        check_job_request(evolve(GOOD, client_id=None, github_org=org, github_repo="r"), plain_url_problem)


@pytest.mark.parametrize("repo", ["..", ".", "a/b", "-u", "", "x.git", "x.GIT", "a" * 101, ".x", "a b"])
def test_a_repository_name_that_cannot_exist_is_refused(repo: str) -> None:
    with pytest.raises(InvalidValue, match="githubRepo"):
        check_job_request(evolve(GOOD, client_id=None, github_org="o", github_repo=repo), plain_url_problem)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("prompt", {"prompt": "  \n"}),
        ("prompt", {"prompt": "a\0b"}),
        ("prompt", {"prompt": "a\ud800"}),
        ("prompt", {"prompt": "é" * (128 * 1024 + 1)}),
        ("title", {"title": "a\nb"}),
        ("title", {"title": "x" * 257}),
        ("title", {"title": "a\x1b[0m"}),
        ("osFeatureId", {"os_feature_id": "a\r\nb"}),
        ("osCallbackUrl", {"os_callback_url": "ftp://x/y"}),
        ("osCallbackUrl", {"os_callback_url": "http://user:p@h/"}),
        ("osCallbackUrl", {"os_callback_url": "https://h/\r\nX: y"}),
        ("osCallbackUrl", {"os_callback_url": "https://"}),
        ("osCallbackUrl", {"os_callback_url": "https://h:99999/"}),
        ("clientId", {"client_id": None}),
        ("githubRepo", {"client_id": None, "github_org": "o"}),
        ("githubOrg", {"client_id": None, "github_repo": "r"}),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_the_name_of_its_field(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as caught:
        check_job_request(evolve(GOOD, **changes), plain_url_problem)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize("prompt", ["-x do it", "/help", "--help", "@/etc/passwd", "é" * (128 * 1024)])
def test_a_prompt_that_looks_like_something_else_is_text(prompt: str) -> None:
    check_job_request(evolve(GOOD, prompt=prompt), plain_url_problem)


@pytest.mark.parametrize("title", ["--body", "Use `x` @everyone", "", None])
def test_a_title_is_data(title: str | None) -> None:
    check_job_request(evolve(GOOD, title=title), plain_url_problem)


def test_two_repositories_of_one_name_get_two_directories() -> None:
    assert directory_for("OrgA", "site", []) == "site"
    assert directory_for("OrgB", "site", ["site"]) == "OrgB--site"
    assert directory_for("OrgB", "Site", ["site"]) == "OrgB--Site"
