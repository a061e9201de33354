"""A job whose server died before it could note the worktree that it had opened, cancelled while it waits again."""

from agent_core import JobState
from tests.unit.builders import eventually
from tests.unit.world import World


async def test_a_worktree_that_was_never_recorded_is_removed_when_its_job_is_cancelled() -> None:
    async with World() as world:
        world.repos.answers["open_worktree"].clear()
        placed = await world.submit()
        await eventually(lambda: len(world.repos.worktrees) == 1)
        await world.crash()
        await world.start_paused()
        assert world.stored(placed.job.id).worktree_path is None
        assert len(world.repos.worktrees) == 1
        cancelled = await world.core.jobs.cancel(placed.job.id)
        assert cancelled.was_running is False
        job = await world.finished(placed.job.id)
        assert (job.state, world.repos.worktrees) == (JobState.CANCELLED, {})
