"""Runs one job through AgentCore, with no HTTP at all: python examples/embed.py

Everything is real but the agent, which is the scripted one, and GitHub: pull requests are files here.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from agent_adapters.claude import ClaudeCodeAgent
from agent_adapters.git import GitRepoStore, GitWorkReader
from agent_adapters.rehearsal import REHEARSAL_COMMAND, LocalPRHost
from agent_adapters.sqlite import (
    Database,
    SqliteClientRepo,
    SqliteFeed,
    SqliteHoldRepo,
    SqliteJobRepo,
    SqliteLedger,
    SqliteMessageLog,
    SqliteOutbox,
)
from agent_cli.demo.origin import ORG, REPO, Origin
from agent_core import AgentCore, JobRequest
from agent_core.domain.delivery import Delivery, Receipt
from agent_core.ports import Notifier


class PrintingNotifier(Notifier):
    """An adapter of our own: callbacks are printed instead of sent."""

    async def send(self, delivery: Delivery) -> Receipt:
        """Take the callback."""
        print(delivery.event, delivery.body.decode())
        return Receipt(status=200)


async def run_a_job(folder: Path, remote: str) -> None:
    """Open the core over a new database, run a job and show its end."""
    repos = GitRepoStore(folder / "repos", folder / "worktrees", folder / "private", remote)
    async with Database(folder / "agent.db") as db:
        core = AgentCore(
            jobs=SqliteJobRepo(db),
            messages=SqliteMessageLog(db),
            clients=SqliteClientRepo(db),
            outbox=SqliteOutbox(db),
            holds=SqliteHoldRepo(db),
            ledger=SqliteLedger(db),
            feed=SqliteFeed(db),
            repos=repos,
            reader=GitWorkReader(repos.clones),
            agent=ClaudeCodeAgent(os.environ, command=REHEARSAL_COMMAND),
            prs=LocalPRHost(folder / "pulls", remote),
            notifier=PrintingNotifier(),
        )
        request = JobRequest(
            github_org=ORG,
            github_repo=REPO,
            branch_name="feature/greet-by-name",
            prompt="Implement the TODO",
            os_callback_url="https://example.com/callback",
        )
        async with core:
            placed = await core.jobs.submit(request)
            job = await core.jobs.wait(placed.job.id)
            for message in await core.jobs.messages(job.id):
                print(message.type, message.content)
        print(job.status, job.pr_url, job.error or "")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        Origin.make(place / "origins")  # stands for GitHub
        asyncio.run(run_a_job(place, f"{place}/origins/{{org}}/{{repo}}.git"))
