"""GhPRHost with the real gh, against a stand-in for the GitHub API on a unix socket."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from agent_adapters.github import GhPRHost
from agent_core.domain.client import Repository
from agent_core.domain.errors import PRHostError
from agent_core.ports import PullRequestOrder
from tests.contracts.pr_host import Beside, PRHostContract
from tests.real.github.faults import PRESETS
from tests.real.github.origins import Origin
from tests.real.github.pulls import HostedRepository
from tests.real.github.stub_github import StubGitHub

pytestmark = pytest.mark.skipif(shutil.which("gh") is None, reason="gh is not installed (apt-get install gh)")

REFUSALS = {
    "bad_credentials": "pull_request_auth",
    "rate_limit": "pull_request_failed",
    "forbidden": "pull_request_failed",
    "saml": "pull_request_failed",
}
"""The faults that end in an error although they happen only once: waiting minutes would not help."""


class Bench:
    """The stub, its origins, and a host that reaches it through gh."""

    def __init__(self, root: Path, stub: StubGitHub) -> None:
        self.stub = stub
        self.origins = {}
        for org in ("Acme", "Other"):
            origin = Origin.create(root / "origins", f"{org}/site")
            origin.git("branch", "next", "main")
            for head in ("job/1", "job/2"):
                origin.commit(head, {"new \u00e9.txt": head}, start="main")
            self.origins[org] = origin
        self.waits: list[float] = []
        self.home = root / "home"
        self.host = self.with_gh(stub.environ(self.home))

    def with_gh(self, environ: dict[str, str], command: str = "gh", call_limit: float = 3.0) -> GhPRHost:
        return GhPRHost(command, environ=environ, call_limit=call_limit, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    def order(self, head: str = "job/1", base: str = "main", org: str = "Acme") -> PullRequestOrder:
        repository = Repository(org=org, name="site", directory="site")
        sha = self.origins[org].sha(head)
        assert sha is not None
        return PullRequestOrder(repository=repository, head=head, head_sha=sha, base=base, title="T", body="B")

    @property
    def site(self) -> HostedRepository:
        repository = self.stub.rest.repository("Acme", "site")
        assert repository is not None
        return repository

    def texts(self) -> list[tuple[str, str]]:
        return [(pull.title, pull.body) for pull in self.site.pulls if pull.state == "open"]

    def beside(self) -> list[Beside]:
        return [
            Beside(
                draft=pull.draft,
                labels=set(pull.labels),
                reviewers={*pull.reviewers, *(f"Acme/{slug}" for slug in pull.teams)},
            )
            for pull in self.site.pulls
            if pull.state == "open"
        ]

    def close(self, number: int) -> None:
        pull = self.site.pull(number)
        assert pull is not None
        pull.state = "closed"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with StubGitHub(tmp_path / "origins") as stub:
        yield Bench(tmp_path, stub)


class TestGhPRHostWithTheRealGh(PRHostContract):
    pass


@pytest.mark.parametrize("preset", sorted(PRESETS))
async def test_any_trouble_while_opening_ends_with_one_pull_request_or_a_clear_error(bench: Bench, preset: str) -> None:
    bench.stub.faults.add(preset, method="POST")
    if preset not in REFUSALS:
        assert (await bench.host.open(bench.order())).number == 1
        assert len(bench.texts()) == 1
        return
    with pytest.raises(PRHostError) as caught:
        await bench.host.open(bench.order())
    assert caught.value.code == REFUSALS[preset]
    assert "HTTP 40" in str(caught.value)
    assert "branch job/1 is pushed" in str(caught.value)
    assert bench.texts() == []


@pytest.mark.parametrize("path", ["/pulls$", "/pulls/1$"])
@pytest.mark.parametrize("preset", sorted(PRESETS))
async def test_any_trouble_while_looking_opens_no_second_one(bench: Bench, preset: str, path: str) -> None:
    await bench.host.open(bench.order())
    bench.stub.faults.add(preset, method="GET", path=path)
    found_by_the_next_look = {"forbidden", "saml"} if path == "/pulls$" else set()
    if preset in REFUSALS.keys() - found_by_the_next_look:
        with pytest.raises(PRHostError) as caught:
            await bench.host.open(bench.order())
        assert caught.value.code == REFUSALS[preset]
    else:
        assert (await bench.host.open(bench.order())).number == 1
    assert len(bench.texts()) == 1


async def test_a_service_that_stays_away_is_given_up_with_its_last_words(bench: Bench) -> None:
    bench.stub.faults.add("unavailable", times=-1)
    with pytest.raises(PRHostError, match="HTTP 503") as caught:
        await bench.host.open(bench.order())
    assert caught.value.transient


async def test_a_pause_that_the_service_asks_for_is_kept(bench: Bench) -> None:
    bench.stub.faults.add("secondary_rate_limit", method="POST")
    await bench.host.open(bench.order())
    assert bench.waits == [60.0]


async def test_the_count_is_true_beyond_a_page(bench: Bench) -> None:
    bench.origins["Acme"].commit("job/1", {f"f{n}.txt": str(n) for n in range(250)})
    assert (await bench.host.open(bench.order())).files_changed == 251
    assert (await bench.host.open(bench.order())).files_changed == 251


async def test_branch_names_are_data(bench: Bench) -> None:
    for head in ("feature/a#b&c=d%20e+f", "123", "-x", "main2"):
        bench.origins["Acme"].commit(head, {"x": head}, start="main")
        first = await bench.host.open(bench.order(head=head))
        assert await bench.host.open(bench.order(head=head)) == first
    assert [pull.head for pull in bench.site.pulls] == ["feature/a#b&c=d%20e+f", "123", "-x", "main2"]


async def test_what_the_service_objects_to_is_handed_on(bench: Bench) -> None:
    with pytest.raises(PRHostError, match="title is too long"):
        await bench.host.open(evolve(bench.order(), title="x" * 257))
    bench.origins["Acme"].git("branch", "same", "main")
    with pytest.raises(PRHostError, match="No commits between main and same"):
        await bench.host.open(bench.order(head="same"))
    with pytest.raises(PRHostError, match="base invalid"):
        await bench.host.open(bench.order(base="absent"))
    unknown = Repository(org="Acme", name="absent", directory="absent")
    with pytest.raises(PRHostError, match="Not Found"):
        await bench.host.open(evolve(bench.order(), repository=unknown))


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_nobody_logged_in_and_a_wrong_token_are_told_apart_from_other_trouble(bench: Bench, token: str) -> None:
    host = bench.with_gh(bench.stub.environ(bench.home, token))
    with pytest.raises(PRHostError, match="gh auth login") as caught:
        await host.open(bench.order())
    assert caught.value.code == "pull_request_auth"


async def test_a_host_of_ones_own_is_asked_by_its_name(tmp_path: Path) -> None:
    with StubGitHub(tmp_path / "origins", host="github.acme.example") as stub:
        bench = Bench(tmp_path, stub)
        opened = await bench.host.open(bench.order())
        assert opened.url == "https://github.acme.example/Acme/site/pull/1"


async def test_a_dead_network_is_passing_trouble(bench: Bench) -> None:
    environ = bench.stub.environ(bench.home)
    (bench.home / "gh" / "config.yml").write_text(f"http_unix_socket: {bench.home}/nobody\n")
    with pytest.raises(PRHostError, match="Retry the job later") as caught:
        await bench.with_gh(environ).open(bench.order())
    assert caught.value.transient


async def test_labels_and_reviewers_take_a_request_each_and_no_more(bench: Bench) -> None:
    await bench.host.open(evolve(bench.order(), draft=True, labels=("a/b c", "d"), reviewers=("octocat", "Acme/web")))
    await bench.host.open(bench.order(head="job/2"))
    asked = [(request.method, request.path) for request in bench.stub.requests]
    site = "/repos/Acme/site"
    assert asked == [
        ("POST", f"{site}/pulls"),
        ("POST", f"{site}/issues/1/labels"),
        ("POST", f"{site}/pulls/1/requested_reviewers"),
        ("POST", f"{site}/pulls"),
    ]


async def test_a_plan_without_drafts_gets_an_ordinary_one_and_a_warning(bench: Bench) -> None:
    bench.site.drafts = False
    (warning,) = (await bench.host.open(evolve(bench.order(), draft=True))).warnings
    assert "Draft pull requests are not supported in this repository" in warning
    assert bench.beside() == [Beside()]


async def test_who_cannot_review_is_told_in_the_services_words_and_the_others_are_asked(bench: Bench) -> None:
    order = evolve(bench.order(), reviewers=("octocat", "ghost", "octobot", "Acme/gone", "Acme/web"))
    author, ghost, gone = (await bench.host.open(order)).warnings
    assert "octobot: who opened the pull request" in author
    assert "not asked of ghost: Reviews may only be requested from collaborators." in ghost
    assert "not asked of Acme/gone: " in gone
    assert bench.beside() == [Beside(reviewers={"octocat", "Acme/web"})]


async def test_who_has_reviewed_is_not_asked_again(bench: Bench) -> None:
    order = evolve(bench.order(), reviewers=("octocat",))
    await bench.host.open(order)
    pull = bench.site.pulls[0]
    pull.reviewers, pull.reviews = [], ["octocat"]
    assert (await bench.host.open(order)).warnings == ()
    assert bench.beside() == [Beside()]


@pytest.mark.parametrize("path", ["/labels$", "/requested_reviewers$"])
@pytest.mark.parametrize("preset", sorted(PRESETS))
async def test_any_trouble_beside_costs_at_most_a_warning(bench: Bench, preset: str, path: str) -> None:
    bench.stub.faults.add(preset, method="POST", path=path)
    opened = await bench.host.open(evolve(bench.order(), labels=("a",), reviewers=("octocat",)))
    assert len(opened.warnings) <= 1
    assert len(bench.texts()) == 1
    (beside,) = bench.beside()
    assert (beside != Beside(labels={"a"}, reviewers={"octocat"})) <= bool(opened.warnings)
    again = await bench.host.open(evolve(bench.order(), labels=("a",), reviewers=("octocat",)))
    assert again.warnings == ()
    assert bench.beside() == [Beside(labels={"a"}, reviewers={"octocat"})]
