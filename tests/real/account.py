"""The account that a server under test runs as: a home, a login and an environment of its own."""

import asyncio
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from agent_adapters.claude import ClaudeCodeAgent
from tests.real.anthropic.stub_anthropic import StubAnthropic

SECRETS = {
    "AGENT_API_SECRET": "api-s3cret",
    "WEBHOOK_SECRET": "webhook-s3cret",
    "GH_TOKEN": "gh-s3cret",
    "ANTHROPIC_API_KEY": "sk-ant-api03-s3cret",
}
"""What a server has in its environment and the agent must not see."""
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "1",
    "DISABLE_TELEMETRY": "1",
}
DEADLINE = 60.0
"""Seconds after which what should have happened is taken not to happen. A run of the CLI takes about one."""


class Account:
    """Used inside `with`. It is logged in to a subscription as `claude` and /login would have it."""

    def __init__(self, folder: Path, claude: str, anthropic: StubAnthropic) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.config = self.home / ".claude"
        self.config.mkdir(parents=True)
        self._claude = claude
        # the CLI puts sockets there, whose paths hold about 107 bytes: a test's own directory may be longer
        self._short = Path(tempfile.mkdtemp(prefix="cc"))
        self._passed = {
            "ANTHROPIC_BASE_URL": anthropic.url,
            # with a stored login the CLI turns to the true service as well: this proxy leads nowhere
            "HTTPS_PROXY": anthropic.url,
            "NO_PROXY": "127.0.0.1",
            "CLAUDE_CODE_TMPDIR": str(self._short),
            **QUIET,
        }
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        self.environ = {**own, **SECRETS, **self._passed}
        self.log_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._short, ignore_errors=True)

    def log_in(self, token: str = "sk-ant-oat01-fake") -> None:
        login = {
            "accessToken": token,
            "expiresAt": (int(time.time()) + 86400) * 1000,
            "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max",
        }
        (self.config / ".credentials.json").write_text(json.dumps({"claudeAiOauth": login}))

    def log_out(self) -> None:
        (self.config / ".credentials.json").unlink()

    def agent(self, **options: Any) -> ClaudeCodeAgent:
        given: dict[str, Any] = {"command": (self._claude,), "pass_env": tuple(self._passed), "server_id": "real"}
        return ClaudeCodeAgent(self.environ, **given | options)


class Notice:
    """Tells when a command of the agent's has come to a point: the command writes a line into the fifo `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._writer = os.open(path, os.O_WRONLY)  # without a writer the fifo is at its end, and that is news too

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._writer)

    async def arrives(self) -> str:
        """Wait for the next line and return it."""
        loop = asyncio.get_running_loop()
        written = asyncio.Event()
        loop.add_reader(self._fd, written.set)
        try:
            async with asyncio.timeout(DEADLINE):
                await written.wait()
        finally:
            loop.remove_reader(self._fd)
        return os.read(self._fd, 4096).decode().strip()
