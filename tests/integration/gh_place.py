"""A place to run GhPRHost in, with the stand-in executable in gh's stead and pauses that take no time."""

import asyncio
import os
from pathlib import Path
from typing import Any

from agent_adapters.github import GhPRHost
from agent_core.domain.client import Repository
from agent_core.ports import PullRequestOrder
from fakes.gh_standin import PROGRAM, GhStandin
from tests.contracts.pr_host import Beside

SHA = "a" * 40
SECRETS = {"AGENT_API_SECRET": "s3cret", "WEBHOOK_SECRET": "s3cret", "GH_DEBUG": "api", "GH_REPO": "else/where"}


class GhBench:
    def __init__(self, config_dir: Path, **limits: float) -> None:
        self.gh = GhStandin(config_dir)
        self.waits: list[float] = []
        environ = {"PATH": os.environ["PATH"], "GH_TOKEN": "t", **SECRETS, **self.gh.environ}
        options: dict[str, Any] = {"call_limit": 20.0, **limits}
        self.host = GhPRHost(str(PROGRAM), environ=environ, sleep=self._sleep, **options)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    def order(self, head: str = "job/1", base: str = "main", org: str = "Acme") -> PullRequestOrder:
        repository = Repository(org=org, name="site", directory="site")
        return PullRequestOrder(repository=repository, head=head, head_sha=SHA, base=base, title="T", body="B")

    def texts(self) -> list[tuple[str, str]]:
        return [(pull["title"], pull["body"]) for pull in self.gh.pulls if pull["state"] == "open"]

    def beside(self) -> list[Beside]:
        return [
            Beside(
                draft=pull.get("draft", False),
                labels=set(pull["labels"]),
                reviewers={*pull["reviewers"], *(f"{pull['org']}/{slug}" for slug in pull["teams"])},
            )
            for pull in self.gh.pulls
            if pull["state"] == "open"
        ]

    def close(self, number: int) -> None:
        self.gh.close(number)
