"""The server under test: started, watched and stopped."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from benchmarks.http_client import HttpClient, free_port
from benchmarks.processes import running_from

START_LIMIT_S, STOP_LIMIT_S = 120, 5


class ServerFailed(Exception):
    """The server did not start, or gave an answer that makes measuring pointless."""


class Server:
    """One server on a free port. `agents` is the folder of the stand-ins that it may leave running."""

    def __init__(self, command: list[str], cwd: Path, log: Path, agents: Path) -> None:
        self.command, self.cwd, self.log, self.agents = command, cwd, log, agents
        self.port = free_port()
        self.http = HttpClient(self.port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, env: dict[str, str]) -> float:
        """Start it; return the seconds until /health first answered 200."""
        begin = time.monotonic()
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env={**env, "PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        while True:
            with contextlib.suppress(OSError):
                if self.http.get("/health").status == 200:
                    return time.monotonic() - begin
            if not self.alive():
                raise ServerFailed(f"the server ended with {self._process.returncode}:\n{self.last_words()}")
            if time.monotonic() - begin > START_LIMIT_S:
                raise ServerFailed(f"no /health within {START_LIMIT_S} s:\n{self.last_words()}")
            time.sleep(0.002)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL to its own group. Agents that still run are ended first: nothing waits for them."""
        if self._process is None:
            return
        self.end_agents()
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(STOP_LIMIT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.end_agents()
        self._process = None
        self.http.close()

    def ends(self, limit_s: float) -> int | None:
        """Tell it to stop, as an operator does; its exit code, None when it takes longer."""
        assert self._process is not None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(limit_s)
        return None

    def end_agents(self) -> None:
        for pid in running_from(self.agents):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def last_words(self, characters: int = 2000) -> str:
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""
