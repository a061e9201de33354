"""A server process of its own, with an origin, a home and a receiver of callbacks."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from attrs import define, field

SECRET = "the-secret-of-this-server"
WEBHOOK_SECRET = "the-secret-of-the-callbacks"
ORG, REPO = "SupportKings", "french-language-solutions"


@define
class ServerProcess:
    """One life of the server."""

    process: asyncio.subprocess.Process
    url: str
    session: ClientSession

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request with the token; return status and JSON."""
        async with self.session.request(
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {SECRET}"}
        ) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Any:
        """Return what a GET answers, which must be a success."""
        status, answer = await self.ask("GET", path)
        assert status == 200, answer
        return answer

    async def until(self, path: str, fits: Any) -> Any:
        """Ask until the answer fits."""
        async with asyncio.timeout(60):
            while not fits(answer := await self.get(path)):  # noqa: ASYNC110 - another process tells of nothing
                # Without a pause, asking and answering can have a core to themselves: Linux 6.18 then kept git from
                # running for a minute.
                await asyncio.sleep(0.005)
            return answer

    def signal(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    async def end(self) -> int:
        """Wait for its end; return the exit code."""
        async with asyncio.timeout(60):
            return await self.process.wait()


@define
class ServerPlace:
    """Everything around the server, and what it leaves behind."""

    root: Path
    callbacks: "asyncio.Queue[tuple[dict[str, str], bytes]]" = field(factory=asyncio.Queue)

    def __attrs_post_init__(self) -> None:
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        seed = self.root / "seed"
        self.git("clone", "--quiet", str(self.origin), str(seed))
        (seed / "README.md").write_text("Hello\n")
        self.git("-C", str(seed), "add", "-A")
        self.git("-C", str(seed), "commit", "--quiet", "-m", "First")
        self.git("-C", str(seed), "push", "--quiet", "origin", "HEAD:main")

    @property
    def origin(self) -> Path:
        """The repository at the origin."""
        return self.root / "origins" / ORG / f"{REPO}.git"

    @property
    def environ(self) -> dict[str, str]:
        """A complete environment for the server."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "AGENT_API_SECRET": SECRET,
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PORT": "0",
            "AGENT_CODE_AGENT": "rehearsal",
            "AGENT_PR_HOST": "local",
            "AGENT_GIT_REMOTE": str(self.root / "origins" / "{org}" / "{repo}.git"),
            "LOG_LEVEL": "debug",
        }

    def has(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return Path(path).exists()

    def git(self, *arguments: str) -> str:
        """Run git as somebody else."""
        me = {f"GIT_{who}_{what}": "op@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.root), **me}
        return subprocess.run(["git", *arguments], env=environ, check=True, capture_output=True, text=True).stdout

    @asynccontextmanager
    async def server(self, **environ: str) -> AsyncIterator[ServerProcess]:
        """Start the server; it is killed when it is still there in the end."""
        with (self.root / "stderr").open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent_http", env={**self.environ, **environ}, stdout=-1, stderr=stderr
            )
        assert process.stdout is not None
        try:
            async with ClientSession() as session, asyncio.timeout(60):
                words = (await process.stdout.readline()).decode().split()
                assert words[:2] == ["Listening", "on"], (self.root / "stderr").read_text()
            async with ClientSession() as session:
                yield ServerProcess(process, words[2], session)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def failed_start(self, **environ: str) -> tuple[int, str]:
        """Start the server, which must end by itself; return its exit code and what it said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent_http", env={**self.environ, **environ}, stdout=-1, stderr=-1
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, (out + err).decode()

    @asynccontextmanager
    async def receiver(self) -> AsyncIterator[str]:
        """Receive callbacks; give their URL."""

        async def receive(request: web.Request) -> web.Response:
            await self.callbacks.put((dict(request.headers), await request.read()))
            return web.Response()

        app = web.Application()
        app.router.add_post("/hook", receive)
        async with TestServer(app) as server:
            yield str(server.make_url("/hook"))

    async def callback(self) -> dict[str, Any]:
        """Wait for the next callback, check its signature and return its payload."""
        async with asyncio.timeout(60):
            headers, body = await self.callbacks.get()
        digest = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Agent-Signature"] == f"sha256={digest}"
        payload: dict[str, Any] = json.loads(body)
        return payload
