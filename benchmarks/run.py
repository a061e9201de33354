"""One run: a fresh directory with origins, stand-ins, a callback receiver and a server, and the jobs sent to it."""

import concurrent.futures
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks import origins, standins
from benchmarks.event_log import AgentLog, CallbackLog
from benchmarks.git_log import GitLog
from benchmarks.http_client import API_SECRET, HttpClient
from benchmarks.processes import cpu_seconds
from benchmarks.sample import Json
from benchmarks.server import Server, ServerFailed
from benchmarks.settings import Settings

WEBHOOK_SECRET = "rig-webhook-secret-of-the-benchmarks"
INHERITED = ("LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL", "TERM")
RECEIVER = Path(__file__).parent / "receiver.py"


def folder_of_run(work: Path) -> Path:
    """Always the same, one run at a time: its path is compiled into the stand-ins."""
    return work / "run"


def folder_of_programs(work: Path) -> Path:
    return work / "bin"


class Run:
    """Opened with `with`; everything in it is stopped and deleted at the end. `start()` starts the server."""

    def __init__(
        self,
        settings: Settings,
        work: Path,
        *,
        concurrent: int = 2,
        repos: int = 1,
        origin: str = "small",
        moods: Sequence[str] = (),
    ) -> None:
        """`moods` are the receiver's further arguments: what share of the callbacks it refuses, and a seed."""
        self.settings, self.work, self.concurrent, self.moods = settings, work, concurrent, moods
        self.base = folder_of_run(work)
        self.repos = [f"{origin}{i}" for i in range(repos)]
        self.origin = origin
        self.origins = origins.Origins(self.base / "origins", self.repos)
        self.server = Server(settings.command, self.base / "cwd", self.base / "server.log", folder_of_programs(work))
        self.agents = AgentLog(self.base / standins.LOG)
        self.callbacks = CallbackLog(self.base / "callbacks.log")
        self.posted: dict[int, int] = {}
        """When POST /jobs was sent, monotonic ns, by key."""
        self.ids: dict[int, str] = {}
        self._keys = 0

    def __enter__(self) -> "Run":
        for folder in ("home/.claude", "repos", "worktrees", "cwd", "tmp"):
            (self.base / folder).mkdir(parents=True)
        self.origins.create(origins.template(self.work, self.origin))
        configuration = "[user]\n\tname = rig\n\temail = rig@localhost\n[safe]\n\tdirectory = *\n"
        if self.settings.transport != "ssh":
            configuration += self.origins.git_configuration()
        (self.base / "home/.gitconfig").write_text(configuration)
        delays = f"gh_ms={self.settings.gh_ms}\nssh_ms={self.settings.ssh_ms}\n"
        (self.base / standins.CONFIGURATION).write_text(delays)
        self._receiver = subprocess.Popen(
            [sys.executable, str(RECEIVER), str(self.base / "callbacks.log"), WEBHOOK_SECRET, *self.moods],
            stdout=subprocess.PIPE,
        )
        assert self._receiver.stdout is not None
        self.callback_port = int(self._receiver.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()
        if isinstance(error, Exception) and not isinstance(error, ServerFailed):
            print(f"the server's last words:\n{self.server.last_words()}", file=sys.stderr)
        self._receiver.kill()
        self._receiver.communicate()
        discarded = Path(tempfile.mkdtemp(dir=self.work))
        self.base.rename(discarded / "run")  # its place is free at once, whatever is still writing there
        shutil.rmtree(discarded, ignore_errors=True)

    @property
    def database(self) -> Path:
        return Path(self._filled_in(self.settings.database))

    def database_bytes(self) -> int:
        """What is in it, however much of that is in its journal still; 0 where there is no database."""
        if not self.database.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            pragmas = ("page_count", "freelist_count", "page_size")
            pages, free, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas)
        return int((pages - free) * size)

    def rig_cpu_seconds(self) -> float:
        """CPU of what measures: this process and the receiver."""
        receiver = cpu_seconds(self._receiver.pid)
        return time.process_time() + (receiver[0] if receiver else 0)

    def trace_git(self) -> GitLog:
        """From now on the server's git notes what it does, which costs time."""
        return GitLog(self.base / "home", self.base / "git.log")

    def _filled_in(self, text: str) -> str:
        """Other braces stay: an origin's URL may be a template of the server's own."""
        return text.replace("{home}", str(self.base / "home")).replace("{base}", str(self.base))

    def environment(self) -> dict[str, str]:
        """What the shell floor gets too: the stand-ins first on PATH, and a home of its own."""
        return {
            **{name: value for name, value in os.environ.items() if name in INHERITED},
            "PATH": f"{folder_of_programs(self.work)}:{os.environ['PATH']}",
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base / "tmp"),
        }

    def start(self, *, warm: bool = True) -> float:
        """Start the server; return the seconds until its first /health. `warm`: then clone, and run a job for each."""
        further = (item.partition("=") for item in self.settings.env)
        took = self.server.start(
            {
                **self.environment(),
                "AGENT_API_SECRET": API_SECRET,
                "WEBHOOK_SECRET": WEBHOOK_SECRET,
                "MAX_CONCURRENT_JOBS": str(self.concurrent),
                "REPOS_DIR": str(self.base / "repos"),
                "WORKTREES_DIR": str(self.base / "worktrees"),
                "LOG_LEVEL": "warn",
                "AGENT_HOME": str(self.base / "home/agent-server"),
                "MAX_QUEUED_JOBS": "1000000",
                "AGENT_MESSAGE_DAYS": "0",
                **{name: self._filled_in(value) for name, _, value in further},
            }
        )
        if warm:
            self.warm()
        return took

    def warm(self) -> None:
        """Make the clients, and so the clones; then run one job for each repository."""
        for name in self.repos:
            client = {"name": name, "githubOrg": origins.ORG, "githubRepo": name}
            answer = self.server.http.request("POST", "/clients", client)
            if answer.status not in (200, 201):
                raise ServerFailed(f"POST /clients: {answer.status} {answer.body[:300]!r}\n{self.server.last_words()}")
        keys = [self.post(repo=i)[0] for i in range(len(self.repos))]
        if not self.wait(keys, 180):
            raise ServerFailed(f"the first job of each repository did not end:\n{self.server.last_words()}")

    def job_body(self, key: int | str, repo: int = 0, **directive: int | str) -> Json:
        """A request for a job; the directive steers the stand-in agent."""
        words = " ".join(f"{name}={value}" for name, value in {"k": key, "lines": 5, **directive}.items())
        return {
            "githubOrg": origins.ORG,
            "githubRepo": self.repos[repo % len(self.repos)],
            "prompt": f"Add the Quotes tab to the Site detail view. [[rig {words}]]",
            "branchName": f"feature/rig-{key}",
            "title": f"Rig job {key}",
            "osFeatureId": "4e7df575-6bdc-4c38-944b-23a404b391db",
            "osCallbackUrl": f"http://127.0.0.1:{self.callback_port}/hook/{key}",
        }

    def post(self, repo: int = 0, **directive: int) -> tuple[int, int]:
        """Send one job; return its key and how many ns the answer took."""
        (key,) = self._new_keys(1)
        return key, self._post(self.server.http, key, repo, directive)

    def post_many(self, count: int, senders: int = 4, **directive: int) -> tuple[Sequence[int], list[int]]:
        """Send jobs over all repositories in turn, through several connections; return their keys and the ns each."""
        keys = self._new_keys(count)
        todo = iter(keys)

        def sender() -> list[int]:
            http = HttpClient(self.server.port)
            took = [self._post(http, key, key, directive) for key in todo]
            http.close()
            return took

        with concurrent.futures.ThreadPoolExecutor(senders) as pool:
            answers = [pool.submit(sender) for _ in range(senders)]
            return keys, [took for answer in answers for took in answer.result()]

    def _new_keys(self, count: int) -> Sequence[int]:
        self._keys += count
        return range(self._keys - count + 1, self._keys + 1)

    def _post(self, http: HttpClient, key: int, repo: int, directive: dict[str, int]) -> int:
        body = self.job_body(key, repo, **directive)
        begin = time.monotonic_ns()
        answer = http.request("POST", "/jobs", body)
        took = time.monotonic_ns() - begin
        if answer.status != 201:
            raise ServerFailed(f"POST /jobs: {answer.status} {answer.body[:300]!r}")
        self.posted[key], self.ids[key] = begin, answer.json()["id"]
        return took

    def wait(self, keys: Collection[int], limit_s: float) -> bool:
        """Wait until all callbacks are there; False when time is up or the server died."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            received = self.callbacks.received()
            if all(key in received for key in keys):
                return True
            if not self.server.alive():
                print(f"the server died:\n{self.server.last_words(800)}", file=sys.stderr)
                return False
            time.sleep(0.005 if len(keys) == 1 else 0.05)
        return False

    def occupy(self, count: int, **directive: int) -> Sequence[int]:
        """Send jobs that stay, and wait until all of their agents run."""
        keys, _ = self.post_many(count, 1, **directive)
        end = time.monotonic() + 60
        while not all(key in self.agents.runs() for key in keys):
            if time.monotonic() > end:
                raise ServerFailed(f"{count} agents did not start within 60 s:\n{self.server.last_words()}")
            time.sleep(0.05)
        return keys
