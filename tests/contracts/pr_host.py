"""What every pull-request host promises."""

import asyncio
from typing import Protocol

from attrs import evolve, field, frozen

from agent_core.domain.client import Repository
from agent_core.ports import PRHost, PullRequestOrder

REPOSITORY = Repository(org="Acme", name="site", directory="site")


@frozen(kw_only=True)
class Beside:
    """What an open pull request has beside its text."""

    draft: bool = False
    labels: set[str] = field(factory=set)
    reviewers: set[str] = field(factory=set)
    """Whose review is asked for: logins, and teams as `org/team`."""


class PRHostBench(Protocol):
    """A host, and a look behind it. The origin of each repository has the branches that `order` may name."""

    host: PRHost

    def order(self, head: str = "job/1", base: str = "main", org: str = "Acme") -> PullRequestOrder:
        """Make an order for a pushed branch: heads job/1, job/2; bases main, next; organisations Acme, Other."""
        ...

    def texts(self) -> list[tuple[str, str]]:
        """Return title and body of each open pull request, oldest first."""
        ...

    def beside(self) -> list[Beside]:
        """Return what each open pull request has beside its text, oldest first."""
        ...

    def close(self, number: int) -> None:
        """Close the pull requests of this number, as people do."""
        ...


class PRHostContract:
    async def test_a_pull_request_is_opened(self, bench: PRHostBench) -> None:
        opened = await bench.host.open(bench.order())
        assert opened.number >= 1
        assert opened.files_changed == 1
        assert str(opened.number) in opened.url
        assert len(bench.texts()) == 1

    async def test_the_open_one_is_found_and_none_opened_twice(self, bench: PRHostBench) -> None:
        assert await bench.host.open(bench.order()) == await bench.host.open(bench.order())
        assert len(bench.texts()) == 1

    async def test_eight_callers_at_once_get_the_same_one(self, bench: PRHostBench) -> None:
        opened = await asyncio.gather(*(bench.host.open(bench.order()) for _ in range(8)))
        assert len({one.number for one in opened}) == 1
        assert len(bench.texts()) == 1

    async def test_another_head_or_base_or_repository_is_another_pull_request(self, bench: PRHostBench) -> None:
        orders = [bench.order(), bench.order(head="job/2"), bench.order(base="next"), bench.order(org="Other")]
        opened = [await bench.host.open(order) for order in orders]
        assert len({one.url for one in opened}) == 4

    async def test_the_case_of_the_repository_does_not_matter(self, bench: PRHostBench) -> None:
        order = bench.order()
        again = evolve(order, repository=Repository(org="acme", name="SITE", directory="site"))
        assert (await bench.host.open(order)).number == (await bench.host.open(again)).number
        assert len(bench.texts()) == 1

    async def test_after_it_was_closed_a_new_one_is_opened(self, bench: PRHostBench) -> None:
        first = await bench.host.open(bench.order())
        bench.close(first.number)
        second = await bench.host.open(bench.order())
        assert second.number != first.number

    async def test_title_and_body_are_data(self, bench: PRHostBench) -> None:
        title, body = "--body `id` $(id) @everyone \"'✓", "-F x=@/etc/passwd\n\n<b>&amp;</b> \\n {org} %s\ttab"
        await bench.host.open(evolve(bench.order(), title=title, body=body))
        assert bench.texts() == [(title, body)]

    async def test_a_draft_is_opened_with_labels_and_reviewers(self, bench: PRHostBench) -> None:
        order = evolve(bench.order(), draft=True, labels=("bot", "a b/c ✓"), reviewers=("octocat", "Acme/web"))
        opened = await bench.host.open(order)
        assert opened.warnings == ()
        assert bench.beside() == [
            Beside(draft=True, labels={"bot", "a b/c ✓"}, reviewers={"octocat", "Acme/web"}),
        ]
        assert await bench.host.open(order) == opened

    async def test_without_them_it_is_an_ordinary_one(self, bench: PRHostBench) -> None:
        await bench.host.open(bench.order())
        assert bench.beside() == [Beside()]

    async def test_the_open_one_gets_more_labels_and_stays_a_draft(self, bench: PRHostBench) -> None:
        await bench.host.open(evolve(bench.order(), draft=True, labels=("a",)))
        await bench.host.open(evolve(bench.order(), title="Other", labels=("b", "a")))
        assert bench.beside() == [Beside(draft=True, labels={"a", "b"})]
        assert bench.texts() == [("T", "B")]

    async def test_the_open_ones_reviewers_are_asked_only_where_nobody_was(self, bench: PRHostBench) -> None:
        await bench.host.open(bench.order())
        await bench.host.open(evolve(bench.order(), reviewers=("octocat",)))
        await bench.host.open(evolve(bench.order(), reviewers=("hubot", "Acme/web")))
        assert bench.beside() == [Beside(reviewers={"octocat"})]

    async def test_a_cancelled_call_is_repaired_by_the_next(self, bench: PRHostBench) -> None:
        for steps in range(6):
            task = asyncio.create_task(bench.host.open(bench.order()))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await bench.host.open(bench.order())
        assert len(bench.texts()) == 1
