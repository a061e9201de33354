"""The command as people run it: processes of their own, against the real server."""

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from tests.integration.server_place import ORG, REPO, SECRET, ServerPlace

PROGRAM = [sys.executable, "-c", "from agent_cli import main; main()"]
PLACE = ["--repo", f"{ORG}/{REPO}", "--branch"]
QUICK = "rehearsal: success pace=0.001\nAdd x"
HANG = "rehearsal: hang pace=0.001\nAdd x"
WAITING = "I am waiting now."


@frozen
class Ran:
    """What became of a command."""

    code: int
    out: str
    err: str


@define
class Shell:
    """Where commands are run: a home with an env file, and nothing else to tell them where the server is."""

    home: Path
    port: int

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "TZ": "UTC", "TERM": "xterm"}

    async def start(self, *arguments: str, **streams: Any) -> Process:
        streams = {"stdin": asyncio.subprocess.DEVNULL, "stdout": -1, "stderr": -1, **streams}
        return await asyncio.create_subprocess_exec(*PROGRAM, *arguments, env=self.environ, limit=1 << 20, **streams)

    async def run(self, *arguments: str) -> Ran:
        return await self.end(await self.start(*arguments))

    async def end(self, process: Process) -> Ran:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), (err or b"").decode())

    async def done(self, *arguments: str) -> str:
        """Run it; it must succeed. Return what it wrote, without the last line's end."""
        ran = await self.run(*arguments)
        assert ran.code == 0, ran
        return ran.out.removesuffix("\n")


@pytest.fixture
def place(tmp_path: Path) -> ServerPlace:
    return ServerPlace(tmp_path)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = tmp_path / "operator"
    (home / "agent-server").mkdir(parents=True)
    env = home / "agent-server" / "env"
    env.touch(0o600)
    env.write_text(f"PORT={port}\nAGENT_API_SECRET={SECRET}\n")
    return Shell(home, port)


async def line_with(stream: asyncio.StreamReader | None, words: str) -> str:
    """Read to the line that has these words."""
    assert stream is not None
    async with asyncio.timeout(60):
        while words not in (line := (await stream.readline()).decode()):
            assert line, f"ended without {words!r}"
        return line


async def test_a_job_is_submitted_watched_read_followed_up_retried_and_counted(
    place: ServerPlace, shell: Shell
) -> None:
    async with place.server(PORT=str(shell.port)):
        ran = await shell.run("submit", QUICK, *PLACE, "feature/x", "--title", "Add x", "--tag", "team=web", "--watch")
        assert ran.code == 0, ran
        job = ran.out.removesuffix("\n")
        phases = [line.split("  ")[2].split()[0] for line in ran.err.splitlines() if job in line]
        assert phases[0] == "queued"
        assert phases[-4:] == ["preparing", "working", "publishing", "completed"]
        shown = json.loads(await shell.done("show", job, "--json"))
        assert (shown["status"], shown["tags"]) == ("completed", {"team": "web"})
        assert re.search(rf"{job}  completed after \d+s: {shown['prUrl']}\n$", ran.err)
        assert "| " in await shell.done("logs", "-f", "last")
        patch = shell.home / "patch"
        patch.write_text(await shell.done("diff", job) + "\n")
        place.git("-C", str(place.root / "seed"), "apply", "--check", str(patch))
        after = await shell.run("follow-up", job, "rehearsal: success pace=0.001\nNow with tests", "--watch")
        assert after.code == 0, after
        await shell.done("queue", "pause")
        again = await shell.done("retry", job)
        held = await shell.done("queue")
        assert held.startswith("Held: Paused by hand, until it is lifted\n0 of ")
        assert again in held
        assert await shell.done("cancel", "--client", REPO, "--yes") == again
        listed = json.loads(await shell.done("jobs", "--tag", "team=web", "--json"))["jobs"]
        assert [item["id"] for item in listed] == [again, after.out.strip(), job]
        total = json.loads(await shell.done("usage", "--json"))["total"]
        assert (total["completed"], total["cancelled"]) == (2, 1)


async def test_a_watch_goes_on_across_a_restart_without_gap_or_repeat(place: ServerPlace, shell: Shell) -> None:
    async with contextlib.AsyncExitStack() as watching:
        async with place.server(PORT=str(shell.port)) as server:
            job = await shell.done("submit", HANG, *PLACE, "feature/x")
            watch = await shell.start("watch", job, "--json")
            log = await shell.start("logs", "-f", "last")
            for process in (watch, log):
                watching.callback(process.kill)
            await line_with(log.stdout, WAITING)
            seen = json.loads(await line_with(watch.stdout, WAITING))["seq"]
            server.signal()
            await server.until("/health", lambda it: it["status"] == "draining")
            server.signal()
            assert await server.end() == 0
            for process in (watch, log):
                await line_with(process.stderr, "was lost")
        async with place.server(PORT=str(shell.port)):
            rest, said = await shell.end(watch), await shell.end(log)
            events = [json.loads(line) for line in rest.out.splitlines()]
            watching.pop_all()
        assert (rest.code, said.code) == (0, 0), (rest, said)
        assert rest.err == "Connected again\n"
        order = [seen, *(event["seq"] for event in events)]
        assert order == sorted(set(order))
        assert {event.get("state") for event in events} >= {"queued", "working", "completed"}
        assert WAITING not in said.out


async def test_ctrl_c_ends_the_watching_and_not_the_job(place: ServerPlace, shell: Shell) -> None:
    async with place.server(PORT=str(shell.port)):
        job = await shell.done("submit", HANG, *PLACE, "feature/x")
        for command, first in ((["logs", "-f", job], WAITING), (["watch", "--all"], job)):
            watch = await shell.start(*command)
            await line_with(watch.stdout, first)
            watch.send_signal(signal.SIGINT)
            ran = await shell.end(watch)
            assert ran.code == 130
            assert ran.err.count("\n") == 1
            assert "on: agent-server watch" in ran.err
        ours, theirs = pty.openpty()
        watch = await shell.start("watch", job, stdout=theirs, stderr=theirs)
        os.close(theirs)
        written = ""
        async with asyncio.timeout(60):
            while not re.search(rf"{job}  working  \d+s  .* in, .* out  \w+: ", written):
                written += (await asyncio.to_thread(os.read, ours, 1 << 16)).decode()
            assert await shell.done("cancel", job) == job
            with contextlib.suppress(OSError):  # a terminal without any program left
                while piece := await asyncio.to_thread(os.read, ours, 1 << 16):
                    written += piece.decode()
        assert await watch.wait() == 1
        os.close(ours)
        assert "\x1b[1A\r\x1b[J" in written
        assert f"{job}  cancelled after" in written.splitlines()[-1]
