"""FakePRHost keeps the contract, and its switches do what they say."""

import asyncio

import pytest
from attrs import evolve

from agent_core.domain.client import Repository
from agent_core.domain.errors import PRHostError
from agent_core.ports import PullRequestOrder
from fakes.pr_host import FakePRHost
from tests.contracts.pr_host import Beside, PRHostContract


class Bench:
    def __init__(self) -> None:
        self.host = FakePRHost()

    def order(self, head: str = "job/1", base: str = "main", org: str = "Acme") -> PullRequestOrder:
        repository = Repository(org=org, name="site", directory="site")
        return PullRequestOrder(repository=repository, head=head, head_sha="a" * 40, base=base, title="T", body="B")

    def texts(self) -> list[tuple[str, str]]:
        return [(p.order.title, p.order.body) for p in self.host.open_ones()]

    def beside(self) -> list[Beside]:
        return [
            Beside(draft=pull.order.draft, labels=set(pull.labels), reviewers=set(pull.reviewers))
            for pull in self.host.open_ones()
        ]

    def close(self, number: int) -> None:
        self.host.close(number)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestFakePRHost(PRHostContract):
    pass


async def test_a_failure_is_raised_once_and_has_no_effect(bench: Bench) -> None:
    bench.host.fail_next(PRHostError("no network", transient=True))
    with pytest.raises(PRHostError, match="no network"):
        await bench.host.open(bench.order())
    assert bench.texts() == []
    await bench.host.open(bench.order())
    assert len(bench.host.orders) == 2


async def test_a_closed_gate_holds_calls_before_their_effect(bench: Bench) -> None:
    bench.host.gate.clear()
    task = asyncio.create_task(bench.host.open(bench.order()))
    await asyncio.sleep(0.01)
    assert bench.host.orders
    assert bench.texts() == []
    bench.host.gate.set()
    assert (await task).number == 1


async def test_a_caller_cancelled_while_answers_are_held_has_opened_it(bench: Bench) -> None:
    bench.host.answers.clear()
    task = asyncio.create_task(bench.host.open(bench.order()))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert len(bench.texts()) == 1


async def test_warnings_and_orders_are_at_hand(bench: Bench) -> None:
    bench.host.warnings = ("A review was not asked of ghost",)
    order = evolve(bench.order(), reviewers=("ghost",))
    assert (await bench.host.open(order)).warnings == bench.host.warnings
    assert bench.host.orders == [order]
