"""What is measured, and how it is told."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from attrs import frozen
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from agent_core.app import AgentCore
from agent_core.domain.delivery import Receipt
from agent_core.domain.job import JobRequest, JobState
from agent_core.domain.limit_windows import LimitWindow
from agent_core.ports import AgentLimits, AgentUsed
from agent_core.use_cases.config import CoreConfig
from agent_http.app import make_app
from agent_http.authority import Authority
from agent_http.metrics import CountedNotifier, metrics
from agent_http.metrics.history import History
from fakes.code_agent import FakeCodeAgent, Script, failed
from fakes.core import make_core
from fakes.database import FakeDatabase
from fakes.notifier import FakeNotifier
from fakes.repo_store import FakeRepoStore
from tests.unit.builders import eventually
from tests.unit.served import AUTH, ORG, REPO, SECRET, START, HandClock

CLIENT = f"{ORG}/{REPO}"
DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"


@frozen
class Measured:
    """A server that is measured."""

    core: AgentCore
    client: "TestClient[Any, Any]"
    db: FakeDatabase
    agent: FakeCodeAgent
    notifier: FakeNotifier
    clock: HandClock

    async def value(self, name: str, **labels: str) -> float | None:
        async with self.client.get("/metrics", headers=AUTH) as response:
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/plain; version=")
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            families = text_string_to_metric_families(await response.text())
        wanted = (f"agent_server_{name}", labels)
        return next((s.value for family in families for s in family.samples if (s.name, s.labels) == wanted), None)

    async def submit(self, branch: str = "fix/it", **more: Any) -> str:
        facts: dict[str, Any] = {"prompt": "Fix it", "branch_name": branch, "github_org": ORG, "github_repo": REPO}
        return (await self.core.jobs.submit(JobRequest(**{**facts, **more}))).job.id


@asynccontextmanager
async def measured(db: FakeDatabase | None = None) -> AsyncIterator[Measured]:
    clock, db, registry = HandClock(), db or FakeDatabase(), CollectorRegistry()
    repos = FakeRepoStore(clock)
    repos.origin(ORG, REPO)
    agent, notifier = FakeCodeAgent(repos), FakeNotifier()
    config = CoreConfig(shutdown_timeout=timedelta(), message_pause=timedelta())
    counted = CountedNotifier(notifier, registry)
    core = make_core(db=db, repos=repos, clock=clock, agent=agent, notifier=counted, config=config)
    app = make_app(core, Authority(SECRET), parts=[metrics(core, registry, clock)])
    async with TestClient(TestServer(app)) as client:
        yield Measured(core, client, db, agent, notifier, clock)


async def test_jobs_are_counted_by_what_became_of_them() -> None:
    async with measured() as it:
        it.agent.script("Break it", Script(ending=failed()))
        for branch, prompt in enumerate(("Fix it", "Break it", "Fix it")):
            await it.core.jobs.wait(await it.submit(f"fix/{branch}", prompt=prompt))
        assert await it.value("jobs_finished_total", client=CLIENT, status="completed") == 2
        assert await it.value("jobs_finished_total", client=CLIENT, status="failed") == 1
        assert await it.value("jobs_finished_total", client=CLIENT, status="failed") == 1, "asked twice, counted once"


async def test_tokens_and_cost_count_once_also_while_the_agent_works() -> None:
    async with measured() as it:
        it.agent.default = Script(says=(AgentUsed(num_turns=1, input_tokens=700, output_tokens=7), "Done."))
        it.agent.hold()
        job = await it.submit()
        await eventually(lambda: it.db.jobs[job].run_input_tokens == 700)
        assert await it.value("agent_tokens_total", client=CLIENT, kind="input") == 700
        it.agent.release()
        await it.core.jobs.wait(job)
        assert await it.value("agent_tokens_total", client=CLIENT, kind="input") == 3000
        assert await it.value("agent_tokens_total", client=CLIENT, kind="output") == 150
        assert await it.value("agent_cost_usd_total", client=CLIENT) == 0.015


async def test_what_was_before_the_start_is_not_counted_again() -> None:
    async with measured() as it:
        await it.core.jobs.wait(await it.submit())
    async with measured(it.db) as again:
        assert await again.value("jobs_finished_total", client=CLIENT, status="completed") is None
        await again.core.jobs.wait(await again.submit("fix/other"))
        assert await again.value("jobs_finished_total", client=CLIENT, status="completed") == 1
        assert await again.value("agent_tokens_total", client=CLIENT, kind="input") == 3000


async def test_what_a_job_used_before_the_restart_that_interrupted_it_is_not_counted_again() -> None:
    async with measured() as it:
        it.agent.default = Script(says=(AgentUsed(num_turns=1, input_tokens=700, output_tokens=7), "Done."))
        it.agent.hold()
        job = await it.submit()
        await eventually(lambda: it.db.jobs[job].run_input_tokens == 700)
        await it.core.pause()
    assert it.db.jobs[job].state is JobState.QUEUED
    async with measured(it.db) as again:
        await again.core.resume()
        await again.core.jobs.wait(job)
        assert it.db.jobs[job].input_tokens == 3700
        assert await again.value("agent_tokens_total", client=CLIENT, kind="input") == 3000


async def test_jobs_of_a_client_that_was_deleted_before_their_end_was_seen_are_not_kept_in_memory() -> None:
    async with measured() as it:
        history = History(it.core, CollectorRegistry())
        await history.begin()
        it.agent.default = Script(says=(AgentUsed(num_turns=1, input_tokens=700, output_tokens=7), "Done."))
        it.agent.hold()
        job = await it.submit()
        await eventually(lambda: it.db.jobs[job].run_input_tokens == 700)
        client = it.db.jobs[job].client_id
        await history.follow()
        assert history.under_way == {job}
        it.agent.release()
        await it.core.jobs.wait(job)
        await it.core.clients.delete(client)
        await history.follow()
        assert history.under_way == set()


async def test_every_phase_of_a_run_is_timed() -> None:
    async with measured() as it:
        it.agent.hold()
        job = await it.submit()
        await eventually(lambda: it.db.jobs[job].state is JobState.WORKING)
        it.clock.forward(seconds=90)
        it.agent.release()
        await it.core.jobs.wait(job)
        assert await it.value("job_phase_seconds_sum", state="working") == 90
        for state in ("queued", "preparing", "working", "publishing"):
            assert await it.value("job_phase_seconds_count", state=state) == 1
        assert await it.value("job_phase_seconds_count", state="completed") is None


async def test_the_queue_is_told_by_client_with_the_age_of_its_oldest() -> None:
    async with measured() as it:
        it.agent.hold()
        first = await it.submit("a")
        await eventually(lambda: it.db.jobs[first].state is JobState.WORKING)
        for branch in ("b", "c", "d"):
            await it.submit(branch)
            it.clock.forward(seconds=10)
        assert await it.value("jobs_queued", client=CLIENT) == 2
        assert await it.value("jobs_running", client=CLIENT) == 2
        assert await it.value("oldest_queued_seconds", client=CLIENT) == 20
        it.agent.release()


async def test_the_hold_that_stands_is_told_with_its_end() -> None:
    async with measured() as it:
        assert await it.value("hold", kind="paused") == 0
        until = START + timedelta(hours=1)
        await it.core.pause("Lunch", until)
        assert await it.value("hold", kind="paused") == 1
        assert await it.value("hold", kind="usage_limit") == 0
        assert await it.value("hold_until_seconds") == until.timestamp()
        await it.core.resume()
        assert await it.value("hold_until_seconds") == 0


async def test_the_subscription_s_limits_are_told() -> None:
    async with measured() as it:
        window = LimitWindow(name="five_hour", used=0.75, resets_at=START + timedelta(hours=2), as_of=START)
        it.agent.default = Script(says=(AgentLimits(windows=(window,)), "Done."))
        await it.core.jobs.wait(await it.submit())
        assert await it.value("limit_used_ratio", window="five_hour") == 0.75


async def test_callbacks_are_counted_by_what_came_of_them() -> None:
    async with measured() as it:
        assert await it.value("callback_attempts_total", result="delivered") == 0
        for receipt, branch in (
            (Receipt(status=200), "a"),
            (Receipt(status=500), "b"),
            (Receipt(error="refused"), "c"),
        ):
            it.notifier.default = receipt
            await it.core.jobs.wait(await it.submit(branch, os_callback_url="https://os.example/hook"))
            await eventually(lambda: all(delivery.history for delivery in it.db.deliveries.values()))
        for result in ("delivered", "refused", "unreachable"):
            assert await it.value("callback_attempts_total", result=result) == 1


async def test_requests_are_timed_by_route_and_never_by_what_a_caller_makes_up() -> None:
    async with measured() as it:
        for path in ("/jobs/job-1", "/jobs/job-2", "/nowhere/1", "/nowhere/2"):
            async with it.client.get(path, headers=AUTH):
                pass
        async with it.client.request("PROPFIND", "/jobs", headers=AUTH):
            pass
        name = "http_request_seconds_count"
        assert await it.value(name, method="GET", route="/jobs/{job_id}", status="404") == 2
        assert await it.value(name, method="GET", route="none", status="404") == 2
        assert await it.value(name, method="other", route="none", status="405") == 1


async def test_metrics_are_for_who_has_a_token() -> None:
    async with measured() as it, it.client.get("/metrics") as response:
        assert response.status == 401


async def test_the_loop_s_lag_and_the_process_are_measured() -> None:
    async with measured() as it:
        assert await it.value("event_loop_lag_seconds_count") is not None
        async with it.client.get("/metrics", headers=AUTH) as response:
            assert "process_resident_memory_bytes" in await response.text()


def labels_of(text: str, name: str) -> list[Mapping[str, str]]:
    return [s.labels for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]


async def test_the_dashboard_asks_for_what_there_is() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {name for panel in panels for t in panel.get("targets", ()) for name in re.findall(r"\w+_\w+", t["expr"])}
    async with measured() as it:
        await it.core.jobs.wait(await it.submit(os_callback_url="https://os.example/hook"))
        window = LimitWindow(name="five_hour", used=0.75, resets_at=START + timedelta(hours=2), as_of=START)
        it.db.windows[window.name] = window
        async with it.client.get("/metrics", headers=AUTH):
            pass
        async with it.client.get("/metrics", headers=AUTH) as response:
            there = {s.name for family in text_string_to_metric_families(await response.text()) for s in family.samples}
    assert {name for name in asked if name.startswith(("agent_server", "process"))} - there == set()
    assert len(asked) > 10


async def test_a_client_that_is_gone_is_gone_from_the_gauges() -> None:
    async with measured() as it:
        job = await it.submit()
        await it.core.jobs.wait(job)
        await it.core.clients.delete(it.db.jobs[job].client_id)
        async with it.client.get("/metrics", headers=AUTH) as response:
            assert labels_of(await response.text(), "agent_server_jobs_queued") == []
