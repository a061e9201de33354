"""Pull requests as JSON files on this disk: no network, no account."""

import asyncio
import fcntl
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent_core.domain.errors import PRHostError
from agent_core.ports import PRHost, PullRequest, PullRequestOrder

_GIT_LIMIT = 30.0


class LocalPRHost(PRHost):
    """Keeps one file per pull request: `DIRECTORY/org/repository/NUMBER.json`, which is also what its URL opens.

    `remote` is the template of the origins, with {org} and {repo}; they must be on this disk, because the changed
    files are counted there. A pull request is closed by writing another `state` than "open" into its file.
    """

    def __init__(self, directory: Path, remote: str) -> None:
        self._directory = directory
        self._remote = remote

    async def open(self, order: PullRequestOrder) -> PullRequest:
        return await asyncio.to_thread(self._open, order)

    def _open(self, order: PullRequestOrder) -> PullRequest:
        files_changed = self._count(order)
        repository = order.repository
        folder = self._directory.resolve() / repository.org.lower() / repository.name.lower()
        try:
            with _locked(folder):
                kept = _read_all(folder)
                number = next((n for n, pull in kept.items() if _is_for(pull, order)), max(kept, default=0) + 1)
                path = folder / f"{number}.json"
                before = kept.get(number, {"title": order.title, "body": order.body, "draft": order.draft})
                pull = {
                    **before,
                    "number": number,
                    "url": path.as_uri(),
                    "state": "open",
                    "repository": f"{repository.org}/{repository.name}",
                    "head": order.head,
                    "headSha": order.head_sha,
                    "base": order.base,
                    "filesChanged": files_changed,
                    "labels": [*dict.fromkeys([*before.get("labels", []), *order.labels])],
                    "reviewers": before.get("reviewers") or [*dict.fromkeys(order.reviewers)],
                }
                fresh = path.with_suffix(".new")
                fresh.write_text(json.dumps(pull, indent=2) + "\n")
                fresh.replace(path)
        except (OSError, ValueError) as problem:
            raise PRHostError(
                f"The local pull-request host could not use {folder}: {problem}. "
                f"Make it readable and writable for the server, and retry the job"
            ) from problem
        return PullRequest(number=number, url=path.as_uri(), files_changed=files_changed)

    def _count(self, order: PullRequestOrder) -> int:
        remote = self._remote.format(org=order.repository.org, repo=order.repository.name)
        origin = Path(remote.removeprefix("file://"))
        if not origin.is_dir():
            raise PRHostError(
                f"The local pull-request host counts changed files in the origin, and {remote} is no directory of this "
                f"machine. The branch {order.head} is pushed: set AGENT_PR_HOST=github to open pull requests for it"
            )
        span = f"refs/heads/{order.base}...{order.head_sha}"
        command = ["git", "-C", str(origin), "diff", "--name-only", "-z", span, "--"]
        try:
            run = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_GIT_LIMIT, check=True)
        except subprocess.CalledProcessError as problem:
            words = problem.stderr.decode("utf-8", "replace").strip()
            raise PRHostError(f"git could not compare {span} in {origin}: {words}") from problem
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise PRHostError(f"git could not be run in {origin}: {problem}") from problem
        return run.stdout.count(b"\0")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_all(folder: Path) -> dict[int, dict[str, Any]]:
    return {int(path.stem): json.loads(path.read_text()) for path in folder.glob("*.json")}


def _is_for(pull: dict[str, Any], order: PullRequestOrder) -> bool:
    return (pull.get("state"), pull.get("head"), pull.get("base")) == ("open", order.head, order.base)
