"""The demo's story: what is done, shown and checked, in order."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from agent_cli.demo.origin import BASE, ORG, REPO, Origin
from agent_cli.demo.receiver import Callback, Receiver
from agent_cli.demo.server import WEBHOOK_SECRET, Server
from agent_cli.demo.terminal import Terminal

_BRANCH = "feature/greet-by-name"
_TITLE = "Greet people by name"
_PROMPT = """Do the TODO in this project.

There is one TODO comment. Implement what it asks for and remove the comment. `python3 -m unittest` must pass when you
are done. Change nothing else.
"""
_FINAL = ("completed", "failed", "cancelled")
_POLL = 0.1
_PATIENCE = 15


class DemoFailed(Exception):
    """Something that had to happen did not; the text says what."""


async def tell(agent: str, terminal: Terminal, home: Path, output: Path) -> None:
    """Run one job from POST to callback and show it. Raises DemoFailed, GitFailed or ServerFailed."""
    worker = "the scripted rehearsal agent" if agent == "rehearsal" else "Claude Code"
    terminal.title(f"agent-server demo: one job for real, by {worker}")
    origin = await asyncio.to_thread(Origin.make, home / "origins")
    terminal.step("origin", f"a small project at {ORG}/{REPO}.git, with one TODO and a failing test")
    async with Receiver.open() as receiver:
        terminal.step("receiver", f"takes callbacks at {receiver.url}")
        async with Server.start(home / "server", output, home / "origins", agent) as server:
            terminal.step("server", f"{server.url}, process {server.pid}")
            await _agent_is_ready(server)
            job_id = await _submit(server, receiver, terminal)
            job = await _follow(server, job_id, terminal)
            await asyncio.to_thread(_show_branch, origin, terminal, job)
            _show_pull_request(terminal, job)
            _show_callback(terminal, job, await receiver.next())
            code = await server.stop()
            _demand(code == 0, f"The server's exit code after SIGTERM is {code}, not 0")
            terminal.step("shutdown", "SIGTERM, exit code 0")
    terminal.end(f"All of it happened, in {terminal.seconds:.1f} seconds.")


async def _agent_is_ready(server: Server) -> None:
    """Wait until the agent is known to be there and logged in: the server finds that out while it serves already."""
    health: dict[str, Any] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while health.get("version") is None:
                health = (await server.get("/health"))["claude"]
                await asyncio.sleep(_POLL)
    _demand(health["version"] is not None, "The agent's program does not answer --version")
    _demand(health["authenticated"], "claude is not logged in: run `claude` and then /login, or `claude setup-token`")


async def _submit(server: Server, receiver: Receiver, terminal: Terminal) -> str:
    job = await server.post(
        "/jobs",
        {
            "githubOrg": ORG,
            "githubRepo": REPO,
            "branchName": _BRANCH,
            "title": _TITLE,
            "prompt": _PROMPT,
            "osFeatureId": "demo",
            "osCallbackUrl": receiver.url,
        },
    )
    terminal.step("job", f"POST /jobs: {job['id']}, {job['status']} at position {job['position']}")
    return str(job["id"])


async def _follow(server: Server, job_id: str, terminal: Terminal) -> dict[str, Any]:
    """Show the job's messages as they come; return the job when it is over."""
    shown = 0
    while True:
        job = await server.get(f"/jobs/{job_id}", includeMessages="true")
        for message in job["messages"][shown:]:
            terminal.said(message["type"], message["content"])
        shown = len(job["messages"])
        if job["status"] in _FINAL:
            break
        await asyncio.sleep(_POLL)
    _demand(job["status"] == "completed", f"The job has {job['status']}: {job.get('error')}")
    _demand(any(m["type"] == "stdout" for m in job["messages"]), "The agent's live output is missing")
    terminal.step("completed", _usage(job))
    return job


def _usage(job: dict[str, Any]) -> str:
    return f"{job['model']}: {job['numTurns']} turns, {job['inputTokens']} tokens in, {job['outputTokens']} out"


def _show_branch(origin: Origin, terminal: Terminal, job: dict[str, Any]) -> None:
    _demand(not Path(job["worktreePath"]).exists(), f"The worktree {job['worktreePath']} was not removed")
    tip = origin.tip(_BRANCH)
    _demand(tip is not None, f"The branch {_BRANCH} is not at the origin")
    subjects = origin.subjects(_BRANCH)
    _demand(subjects == [_TITLE], f"The branch should have one commit, {_TITLE!r}; it has {subjects}")
    terminal.step("branch", f"{_BRANCH} is at the origin: {str(tip)[:10]} {subjects[0]}")
    files = origin.changed_files(_BRANCH)
    _demand(bool(files), f"The branch {_BRANCH} does not differ from {BASE}")
    _demand(job["filesChanged"] == len(files), f"filesChanged is {job['filesChanged']}, but {files} differ")
    terminal.step("diff", f"{BASE}...{_BRANCH}: {', '.join(files)}")
    terminal.diff(origin.diff(_BRANCH))


def _show_pull_request(terminal: Terminal, job: dict[str, Any]) -> None:
    _demand(bool(job["prUrl"]), "The job has no pull request")
    pull = json.loads(Path(unquote(urlsplit(job["prUrl"]).path)).read_text())
    _demand(
        (pull["number"], pull["state"], pull["head"], pull["base"]) == (job["prNumber"], "open", _BRANCH, BASE),
        f"The pull request is not the job's: {pull}",
    )
    terminal.step("pull request", f"#{pull['number']} {pull['title']}, {_files(job['filesChanged'])} changed")


def _show_callback(terminal: Terminal, job: dict[str, Any], callback: Callback) -> None:
    problem = callback.problem(WEBHOOK_SECRET)
    _demand(problem is None, f"The callback's signature is wrong: {problem}")
    payload = callback.payload()
    wrong = {name: value for name, value in payload.items() if name != "jobId" and job.get(name) != value}
    _demand(payload["jobId"] == job["id"] and not wrong, f"The callback is not about this job: {payload}")
    terminal.step("callback", f"{callback.headers['x-agent-event']}, both signatures verified")
    for name, value in payload.items():
        terminal.said("stdout", f"{name:<13} {value if isinstance(value, str) else json.dumps(value)}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _demand(held: bool, sentence: str) -> None:
    if not held:
        raise DemoFailed(sentence)
