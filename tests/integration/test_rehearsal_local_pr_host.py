"""LocalPRHost: the contract, on files and a real origin."""

import json
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from agent_adapters.rehearsal import LocalPRHost
from agent_core.domain.client import Repository
from agent_core.domain.errors import PRHostError
from agent_core.ports import PullRequest, PullRequestOrder
from tests.contracts.pr_host import Beside, PRHostContract

STREAM = """commit refs/heads/main
committer t <t@example.invalid> 1700000000 +0000
data 1
x
M 100644 inline README.md
data 1
x

reset refs/heads/next
from refs/heads/main

commit refs/heads/job/1
committer t <t@example.invalid> 1700000001 +0000
data 1
x
from refs/heads/main
M 100644 inline {name}
data 1
y

reset refs/heads/job/2
from refs/heads/job/1
"""


def git(origin: Path, *arguments: str, stdin: str = "") -> str:
    run = subprocess.run(
        ["git", "-C", str(origin), *arguments], input=stdin, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def file_of(opened: PullRequest) -> Path:
    return Path(opened.url.removeprefix("file://"))


class Bench:
    def __init__(self, root: Path) -> None:
        self.origins = root / "origins"
        for name in ("Acme/site", "Other/site", "acme/SITE"):
            origin = self.origins / f"{name}.git"
            origin.mkdir(parents=True, exist_ok=True)
            git(origin, "init", "--quiet", "--bare")
            git(origin, "fast-import", "--quiet", "--force", stdin=STREAM.format(name="new\tname\u00e9.txt"))
        self.directory = root / "pulls"
        self.host = LocalPRHost(self.directory, f"{self.origins}/{{org}}/{{repo}}.git")

    def order(self, head: str = "job/1", base: str = "main", org: str = "Acme") -> PullRequestOrder:
        repository = Repository(org=org, name="site", directory="site")
        sha = git(self.origins / org / "site.git", "rev-parse", head)
        return PullRequestOrder(repository=repository, head=head, head_sha=sha, base=base, title="T", body="B")

    def texts(self) -> list[tuple[str, str]]:
        pulls = [json.loads(path.read_text()) for path in sorted(self.directory.rglob("*.json"))]
        return [(p["title"], p["body"]) for p in pulls if p["state"] == "open"]

    def beside(self) -> list[Beside]:
        pulls = [json.loads(path.read_text()) for path in sorted(self.directory.rglob("*.json"))]
        return [
            Beside(draft=pull["draft"], labels=set(pull["labels"]), reviewers=set(pull["reviewers"]))
            for pull in pulls
            if pull["state"] == "open"
        ]

    def close(self, number: int) -> None:
        for path in self.directory.rglob(f"{number}.json"):
            path.write_text(json.dumps({**json.loads(path.read_text()), "state": "closed"}))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class TestLocalPRHost(PRHostContract):
    pass


async def test_the_url_opens_the_pull_request(bench: Bench) -> None:
    opened = await bench.host.open(bench.order())
    kept = json.loads(file_of(opened).read_text())
    assert (kept["head"], kept["base"], kept["filesChanged"]) == ("job/1", "main", 1)


async def test_a_commit_that_the_origin_lacks_is_refused_with_gits_words(bench: Bench) -> None:
    with pytest.raises(PRHostError, match="git could not compare"):
        await bench.host.open(evolve(bench.order(), head_sha="0" * 40))
    assert bench.texts() == []


async def test_an_origin_that_is_not_on_this_disk_is_refused(tmp_path: Path, bench: Bench) -> None:
    host = LocalPRHost(tmp_path / "p", "git@github.com:{org}/{repo}.git")
    with pytest.raises(PRHostError, match="no directory of this machine"):
        await host.open(bench.order())


async def test_a_file_that_is_no_pull_request_is_named(bench: Bench) -> None:
    opened = await bench.host.open(bench.order())
    file_of(opened).write_text("{")
    with pytest.raises(PRHostError, match="could not use"):
        await bench.host.open(bench.order())


async def test_a_file_of_an_earlier_version_goes_on(bench: Bench) -> None:
    opened = await bench.host.open(bench.order())
    kept = json.loads(file_of(opened).read_text())
    file_of(opened).write_text(json.dumps({k: kept[k] for k in kept if k not in ("draft", "labels", "reviewers")}))
    await bench.host.open(evolve(bench.order(), draft=True, labels=("a",), reviewers=("octocat",)))
    again = json.loads(file_of(opened).read_text())
    assert (again["labels"], again["reviewers"]) == (["a"], ["octocat"])
