"""The server as a child process, with everything it writes under one temporary directory."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

WEBHOOK_SECRET = "demo-webhook-secret"  # noqa: S105  # good for the time of one demo, on loopback
_API_SECRET = "demo-api-secret-0123456789"  # noqa: S105  # likewise
_DROPPED = ("AGENT_", "WEBHOOK_", "CALLBACK_", "MAX_", "GIT_")
_KEPT = (
    "AGENT_ALLOWED_TOOLS",
    "AGENT_CLAUDE_ARGS",
    "AGENT_MAX_TURNS",
    "AGENT_MODEL",
    "AGENT_PASS_ENV",
    "AGENT_PERMISSION_MODE",
)


class ServerFailed(Exception):
    """The server did not start, answer or stop as it should; the text says how."""


class Server:
    """A running server and a client of its REST API."""

    def __init__(self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession, url: str) -> None:
        self._process = process
        self._session = session
        self.url = url

    @classmethod
    @asynccontextmanager
    async def start(cls, home: Path, output: Path, origins: Path, agent: str) -> AsyncIterator[Self]:
        """Start a server over `home` and end it with the context; what it prints goes to `output`.

        Raises ServerFailed when it ends before it answers.
        """
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        environment = _environment(os.environ, home, port, origins, agent)
        with output.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "agent_http",
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # Ctrl-C at the terminal is ours to pass on
            )
        try:
            headers = {"Authorization": f"Bearer {_API_SECRET}"}
            async with aiohttp.ClientSession(url, headers=headers, trust_env=False) as session:
                server = cls(process, session, url)
                await server._until_it_answers()
                yield server
        finally:
            await _end(process)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET the path and return the JSON. Raises ServerFailed unless the answer is 200."""
        return await self._call("GET", path, 200, params=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST the body and return the JSON. Raises ServerFailed unless the answer is 201."""
        return await self._call("POST", path, 201, json=body)

    async def stop(self) -> int:
        """Send SIGTERM, wait for the process and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()

    async def _until_it_answers(self) -> None:
        while self._process.returncode is None:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with self._session.get("/health"):
                    return
            await asyncio.sleep(0.05)
        raise ServerFailed(f"The server did not start: exit code {self._process.returncode}")

    async def _call(self, method: str, path: str, expected: int, **options: Any) -> dict[str, Any]:
        try:
            async with self._session.request(method, path, **options) as answer:
                text = await answer.text()
        except aiohttp.ClientError as problem:
            raise ServerFailed(f"{method} {path} was not answered: {problem}") from problem
        if answer.status != expected:
            raise ServerFailed(f"{method} {path} was answered {answer.status}: {text}")
        content: dict[str, Any] = json.loads(text)
        return content


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process if it lives: drain, then hurry, then no mercy."""
    try:
        for patience in (1, 10):
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), patience)
    finally:
        if process.returncode is None:
            process.kill()


def _environment(given: Mapping[str, str], home: Path, port: int, origins: Path, agent: str) -> dict[str, str]:
    """Return the operator's environment with our settings in the place of theirs; what concerns the agent stays."""
    kept = {name: value for name, value in given.items() if name in _KEPT or not name.startswith(_DROPPED)}
    return kept | {
        "PORT": str(port),
        "REPOS_DIR": str(home / "repos"),
        "WORKTREES_DIR": str(home / "worktrees"),
        "AGENT_HOME": str(home),
        "AGENT_API_SECRET": _API_SECRET,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "AGENT_CODE_AGENT": agent,
        "AGENT_PR_HOST": "local",
        "AGENT_GIT_REMOTE": f"{origins}/{{org}}/{{repo}}.git",
        "GIT_CONFIG_GLOBAL": os.devnull,  # the operator's signing, hooks and rewritten URLs are not the demo's matter
        "GIT_CONFIG_NOSYSTEM": "1",
        **({"TMPDIR": str(home)} if agent == "rehearsal" else {}),
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
