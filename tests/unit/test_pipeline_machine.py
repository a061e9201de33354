"""The whole pipeline on fakes as a state machine: whatever happens in whatever order, nothing is lost or done twice."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from agent_core import CoreConfig, JobState, JobStatus
from agent_core.domain.delivery import DeliveryState
from agent_core.domain.errors import JobFinished, JobNotFinished, NothingKept, PRHostError, RepoStoreError
from agent_core.domain.job import RUNNING_STATES
from agent_core.domain.job_options import DeliveryMode, JobOptions
from agent_core.domain.lifecycle import TRANSITIONS
from fakes.code_agent import MISSING, Script, failed, not_logged_in, usage_limited
from fakes.workspace import CommandScript, ended_badly
from tests.unit.world import AT_ONCE, World

MAX_CONCURRENT = 2
STEPS = {(before, after) for table in TRANSITIONS.values() for before, after in table.items()}
REPOS = [("SupportKings", "french-language-solutions"), ("Acme", "site")]


class Pipeline(RuleBasedStateMachine):
    """Hypothesis chooses what happens and how far the loop turns in between."""

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.run = self._runner.run
        config = CoreConfig(max_concurrent=MAX_CONCURRENT, **AT_ONCE)
        self.world = self.run(self._make(config))
        self.up = True
        self.clean_up_broke = False
        self.cancelled: set[str] = set()
        self.paused = self.was_paused = False
        self.ran_when_paused: set[str] = set()

    async def _make(self, config: CoreConfig) -> World:
        world = World(config)
        world.repos.origin(*REPOS[1])
        await world.start()
        return world

    @precondition(lambda self: self.up)
    @rule(
        target=jobs,
        repo=st.sampled_from(REPOS),
        branch=st.sampled_from("abc"),
        priority=st.integers(-1, 1),
        mode=st.sampled_from([None, *DeliveryMode]),
    )
    def submit(self, repo: tuple[str, str], branch: str, priority: int, mode: DeliveryMode | None) -> str:
        options = JobOptions(delivery_mode=mode)
        submitting = self.world.submit(
            branch, github_org=repo[0], github_repo=repo[1], priority=priority, options=options
        )
        return self.run(submitting).job.id

    @precondition(lambda self: self.up)
    @rule(target=jobs, job_id=jobs, priority=st.integers(-1, 1))
    def follow_up(self, job_id: str, priority: int) -> str:
        return self.run(self.world.follow_up(job_id, priority=priority)).job.id

    @precondition(lambda self: self.up)
    @rule(target=jobs, job_id=consumes(jobs))
    def publish(self, job_id: str) -> str:
        try:
            return self.run(self.world.core.jobs.publish(job_id)).job.id
        except (JobNotFinished, NothingKept):
            return job_id

    @precondition(lambda self: self.up)
    @rule(
        setup=st.sampled_from([(), ("npm ci",)]),
        checks=st.sampled_from([(), ("npm test",)]),
        max_concurrent=st.sampled_from([None, 1]),
        share=st.integers(1, 3),
    )
    def the_client_is_set(
        self, setup: tuple[str, ...], checks: tuple[str, ...], max_concurrent: int | None, share: int
    ) -> None:
        workspace = {"setup": setup, "checks": checks, "check_retries": 1}
        queue = {"max_concurrent": max_concurrent, "share": share}
        self.run(self.world.set(workspace=workspace, queue=queue))

    @rule(well=st.booleans())
    def next_commands(self, *, well: bool) -> None:
        self.world.workspace.default = CommandScript() if well else CommandScript(says=("no",), ended=ended_badly())

    @rule(held=st.booleans())
    def hold_commands(self, *, held: bool) -> None:
        if held:
            self.world.workspace.hold()
        else:
            self.world.workspace.release()

    @precondition(lambda self: self.up)
    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        try:
            cancelled = self.run(self.world.core.jobs.cancel(job_id))
            assert cancelled.job.status is JobStatus.CANCELLED
            self.cancelled.add(job_id)
        except JobFinished:
            assert self.world.stored(job_id).state in (JobState.COMPLETED, JobState.FAILED)

    @precondition(lambda self: self.up)
    @rule(target=jobs, job_id=consumes(jobs))
    def retry(self, job_id: str) -> str:
        try:
            return self.run(self.world.core.jobs.retry(job_id)).job.id
        except JobNotFinished:
            return job_id

    @rule(turns=st.integers(1, 40))
    def turn(self, turns: int) -> None:
        self.run(self._turns(turns))

    async def _turns(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    @rule(ending=st.sampled_from(["good", "no changes", "fails", "missing", "limit", "login"]))
    def next_agents(self, ending: str) -> None:
        self.world.agent.default = {
            "good": Script(edits={"work.txt": f"{len(self.world.agent.tasks)}"}),
            "no changes": Script(edits={}),
            "fails": Script(ending=failed()),
            "missing": MISSING,
            "limit": Script(ending=usage_limited(self.world.clock() + timedelta(hours=1))),
            "login": Script(edits={}, ending=not_logged_in()),
        }[ending]

    @rule(held=st.booleans())
    def hold_agents(self, *, held: bool) -> None:
        if held:
            self.world.agent.hold()
        else:
            self.world.agent.release()

    @rule(method=st.sampled_from(["refresh", "open_worktree", "publish", "keep", "close_worktree"]))
    def git_breaks(self, method: str) -> None:
        self.world.repos.fail_next(method, RepoStoreError("git broke", code="fetch_failed"))
        self.clean_up_broke |= method in ("open_worktree", "keep", "close_worktree")

    @rule(method=st.sampled_from(["refresh", "publish", "close_worktree"]), before=st.booleans(), is_open=st.booleans())
    def git_is_slow(self, method: str, *, before: bool, is_open: bool) -> None:
        gate = (self.world.repos.gates if before else self.world.repos.answers)[method]
        gate.set() if is_open else gate.clear()

    @rule()
    def the_host_refuses(self) -> None:
        self.world.prs.fail_next(PRHostError("HTTP 502"))

    @rule(by=st.integers(1, 90))
    def time_passes(self, by: int) -> None:
        self.world.clock.forward(timedelta(minutes=by))
        if self.up:
            self.world.core.wake()

    @precondition(lambda self: self.up)
    @rule(paused=st.booleans())
    def the_operator_pauses_or_resumes(self, *, paused: bool) -> None:
        core = self.world.core
        self.run(core.pause() if paused else core.resume())
        self.run(self._turns(20))  # a job that was being claimed at that moment may still start
        self.paused = paused

    @precondition(lambda self: self.up)
    @rule()
    def the_server_dies(self) -> None:
        self.run(self.world.crash())
        self.up = False

    @precondition(lambda self: self.up)
    @rule()
    def the_server_stops(self) -> None:
        async def stop() -> None:
            stopping = asyncio.create_task(self.world.stop())
            for _ in range(50):
                await asyncio.sleep(0)
            self.world.open_all_gates()
            await stopping

        self.run(stop())
        self.up = False
        assert self.world.agent.live == {}
        assert self.world.workspace.live == []

    @precondition(lambda self: not self.up)
    @rule()
    def the_server_starts(self) -> None:
        self.run(self.world.start())
        self.up = True

    @invariant()
    def no_more_runs_than_allowed_and_one_for_a_branch(self) -> None:
        running = [job for job in self.world.db.jobs.values() if job.state in RUNNING_STATES]
        assert sum(job.state is not JobState.CANCELLING for job in running) <= MAX_CONCURRENT
        assert max(Counter((j.client_id, j.branch_name) for j in running).values(), default=1) == 1
        assert len(self.world.agent.live) <= MAX_CONCURRENT

    @invariant()
    def agents_and_commands_work_for_running_jobs_only(self) -> None:
        agents, commands = self.world.agent.live.values(), self.world.workspace.live
        for job_id in [*(task.job_id for task in agents), *(task.job_id for task in commands)]:
            assert self.world.stored(job_id).state in RUNNING_STATES

    @invariant()
    def nothing_starts_while_the_queue_is_paused(self) -> None:
        live = RUNNING_STATES - {JobState.CANCELLING}
        running = {job.id for job in self.world.db.jobs.values() if job.state in live}
        if self.was_paused and self.paused:
            assert running <= self.ran_when_paused
        self.ran_when_paused = running if self.paused else set()
        self.was_paused = self.paused

    @invariant()
    def a_follow_up_runs_only_when_the_job_before_is_over(self) -> None:
        for job in self.world.db.jobs.values():
            if job.state in RUNNING_STATES - {JobState.CANCELLING} and job.follow_up_of is not None:
                assert self.world.stored(job.follow_up_of).state.is_final

    @invariant()
    def every_finished_job_is_in_the_ledger_once(self) -> None:
        finished = sum(job.state.is_final for job in self.world.db.jobs.values())
        assert sum(usage.jobs for usage in self.world.db.ledger.values()) == finished

    @invariant()
    def every_history_follows_the_table(self) -> None:
        for states in self.world.history.values():
            assert all(step in STEPS for step in pairwise(states))

    @invariant()
    def a_cancelled_job_stays_cancelled(self) -> None:
        assert all(self.world.stored(job_id).status is JobStatus.CANCELLED for job_id in self.cancelled)

    @invariant()
    def every_finished_job_has_one_callback_and_no_other_job_has_any(self) -> None:
        callbacks = Counter(delivery.job_id for delivery in self.world.db.deliveries.values())
        finished = {job.id for job in self.world.db.jobs.values() if job.state.is_final}
        assert callbacks == Counter(finished)

    @invariant()
    def a_branch_has_at_most_one_open_pull_request(self) -> None:
        open_ones = self.world.prs.open_ones()
        assert max(Counter((p.order.repository, p.order.head) for p in open_ones).values(), default=1) == 1

    def teardown(self) -> None:
        try:
            self.run(self._all_comes_to_an_end())
        finally:
            self._runner.close()

    async def _all_comes_to_an_end(self) -> None:
        world = self.world
        if not self.up:
            await world.start()
        world.agent.default = Script(edits={"last.txt": "x"})
        world.workspace.default = CommandScript()
        self.paused = False
        world.open_all_gates()
        await world.core.resume()
        for _ in range(300):
            if all(job.state.is_final for job in world.db.jobs.values()) and world.agent.live == {}:
                break
            world.clock.forward(timedelta(minutes=10))
            world.core.wake()
            for _ in range(100):
                await asyncio.sleep(0)
        self.every_finished_job_has_one_callback_and_no_other_job_has_any()
        self.every_history_follows_the_table()
        assert all(job.state.is_final for job in world.db.jobs.values())
        assert world.agent.live == {}
        assert self.clean_up_broke or world.repos.worktrees == {}
        await world.stop()
        assert all(d.state is DeliveryState.DELIVERED for d in world.db.deliveries.values())
        assert {d.id for d in world.notifier.received} == set(world.db.deliveries)


TestPipeline = Pipeline.TestCase
TestPipeline.settings = settings(stateful_step_count=40)
