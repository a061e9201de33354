"""A place for chaos: origins, one server's home with stand-ins for claude and gh, and what can be seen there."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from aiohttp import ClientError, ClientSession
from attrs import define, field

from agent_adapters.processes import JOB_MARK, SERVER_MARK
from agent_http.container import server_id
from agent_http.crash_point import VARIABLE
from fakes.gh_standin import GhStandin
from tests.chaos.moment import Moment

SECRET = "the-secret-of-this-server"
WEBHOOK_SECRET = "the-secret-of-the-callbacks"
PREPARED = ("initech", "shop")
"""The client with settings: its worktrees get a file and are set up, its work is checked."""
REPOSITORIES = (("acme", "shop"), ("globex", "shop"), PREPARED)
"""Clients whose repositories have one name."""
WITHHELD, PRIVATE = ".env", "nobody may commit this\n"
"""The file that the prepared client's worktrees get."""
SET_UP = "set-up/done"
"""What the prepared client's setup leaves, ignored by git."""
BROKEN = "broken"
"""What a check finds: it says how often the agent has to repair it."""
SLOTS = 3
"""How many jobs run at once."""
TRACKED = "README.md"
"""A file that is there from the start, and that every job changes."""
FAKES = Path(__file__).parents[2] / "fakes" / "bin"
STAMP = f"""\
born() {{ echo "$1@$(ps -o lstart= -p "$1" | tr -d ' ')"; }}  # a long campaign sees the same pid again
here=${{0%/*}} && job=$here/stamps/$AGENT_JOB_ID
if [ "$1" = start ]; then
  test -n "$3" && echo "$3" > "$job.branch"
  branch=$here/branches/$(cat "$job.branch")
  for earlier in $(tail -n 4 "$branch" 2>/dev/null); do
    case $(ps -o stat= -p "${{earlier%%@*}}") in ''|Z*) continue ;; esac
    test "$earlier" = "$(born "${{earlier%%@*}}")" && echo "$earlier" >> "$job.overlap"
  done
  born "$2" >> "$branch"
  case $branch in */{PREPARED[0]}-*) test -e {SET_UP} && test -e {WITHHELD} || pwd >> "$job.unready" ;; esac
fi
echo "$1 $2" >> "$job"
"""
"""`sh stamp WORD PID [BRANCH]`: a line for the job. At a start, of which the first names the branch, it is noted if
an earlier agent of the branch still lives, and if the worktree is not as it should be."""
REPAIR = f"""\
rounds=$(cat {BROKEN} 2>/dev/null) || exit 0
if [ "$rounds" = 1 ]; then rm {BROKEN}; else echo $((rounds - 1)) > {BROKEN}; fi
"""
CHECK = f"""\
test -e {BROKEN} || exit 0
here=${{0%/*}}
echo "[[play:forget]][[play:run only=later text='sh $here/stamp start \\$PPID']]"
echo "[[play:run only=later text='sh $here/repair']]"
exit 1
"""
"""A check, whose complaint tells the stand-in what to do: only in the session that did the work it can be repaired."""
GIT = """\
#!/bin/sh
case " $* " in {these}) {first} ;; esac
exec {git} "$@"
"""
Row = dict[str, Any]


@define
class Life:
    """One life of the server."""

    process: asyncio.subprocess.Process
    session: ClientSession
    began: float
    died: "asyncio.Task[int]"
    url: str = ""

    async def listens(self) -> bool:
        """Wait until it serves; False when it dies first."""
        assert self.process.stdout is not None
        words = (await self.process.stdout.readline()).decode().split()
        self.url = words[2] if words[:2] == ["Listening", "on"] else ""
        return self.url != ""

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any] | None:
        """Send a request; None when the server died before it was answered."""
        headers = {"Authorization": f"Bearer {SECRET}"}
        try:
            async with self.session.request(method, self.url + path, json=body, headers=headers) as response:
                return response.status, await response.json()
        except (ClientError, ConnectionError):
            assert await self.dies(10), "a living server did not answer"
            return None

    async def dies(self, within: float) -> bool:
        """Wait for its death, at most so many seconds; tell whether it is dead."""
        return bool((await asyncio.wait({self.died}, timeout=within))[0])

    async def kill(self) -> None:
        """Kill it, and nothing but it, with SIGKILL."""
        if not self.died.done():
            self.process.kill()
        await self.died


@define
class ChaosPlace:
    """Everything around one server, across its lives. `root` is empty at first."""

    root: Path
    gh: GhStandin = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gh = GhStandin(self.root / "gh")
        self.gh.configure(origins=str(self.root / "origins" / "{org}" / "{repo}.git"))
        for folder in ("bin", "home", "stamps", "branches", "gates", "files"):
            (self.root / folder).mkdir()
        for name, script in (("stamp", STAMP), ("repair", REPAIR), ("check", CHECK)):
            (self.root / name).write_text(script)
        seed = self.root / "seed"
        self.git("init", "--quiet", "--initial-branch=main", str(seed))
        (seed / TRACKED).write_text("Hello\n")
        (seed / ".gitignore").write_text(f"{Path(SET_UP).parent}/\n")
        self.git("-C", str(seed), "add", "-A")
        self.git("-C", str(seed), "commit", "--quiet", "-m", "First")
        for org, repo in REPOSITORIES:
            self.git("clone", "--quiet", "--bare", str(seed), str(self.origin(org, repo)))

    # ------------------------------------------------------------------ the server
    @property
    def environ(self) -> dict[str, str]:
        """The server's whole environment."""
        path = (FAKES, self.root / "bin", Path(sys.executable).parent, os.environ["PATH"])
        return {
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(self.root / "home"),
            "GH_CONFIG_DIR": str(self.gh.config_dir),
            "AGENT_API_SECRET": SECRET,
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PORT": "0",
            "MAX_CONCURRENT_JOBS": str(SLOTS),
            "AGENT_SHUTDOWN_TIMEOUT": "0",
            "AGENT_MIN_FREE_DISK": "1MiB",
            "AGENT_GIT_REMOTE": str(self.root / "origins" / "{org}" / "{repo}.git"),
            "AGENT_CLIENT_FILES_DIR": str(self.root / "files"),
            VARIABLE: str(self.root / "crash"),
        }

    async def start(self, session: ClientSession) -> Life:
        """Begin a life; it may not listen yet."""
        began = time.monotonic()
        with (self.root / "stderr").open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent_http", env=self.environ, stdout=-1, stderr=stderr
            )
        return Life(process, session, began, asyncio.create_task(process.wait()))

    def delay_git(self, these: str, first: str) -> None:
        """Let the server's git commands that match a pattern of the shell do something else first."""
        program = self.root / "bin" / "git"
        program.write_text(GIT.format(these=these, first=first, git=shutil.which("git")))
        program.chmod(0o755)

    def arm(self, moment: Moment | None) -> None:
        """Let the server die at this moment; never, without one."""
        order = self.root / "crash"
        if moment is None or not moment.point:
            order.unlink(missing_ok=True)
        else:
            fresh = order.with_suffix(".new")
            fresh.write_text(f"{moment.point}:{moment.times}")
            fresh.replace(order)

    def last_words(self) -> str:
        """The end of what the server wrote on stderr."""
        return (self.root / "stderr").read_text(errors="replace")[-4000:]

    async def prepare(self, life: Life) -> None:
        """Make the client that has settings."""
        org, repo = PREPARED
        made = await life.ask("POST", "/clients", {"name": org, "githubOrg": org, "githubRepo": repo})
        assert made is not None
        assert made[0] == 201, made
        [client] = self.rows("SELECT * FROM clients")
        (self.root / "files" / client["directory"]).mkdir()
        (self.root / "files" / client["directory"] / WITHHELD).write_text(PRIVATE)
        workspace = {
            "setup": [f"sh {self.root}/stamp set-up $$", f"mkdir -p {Path(SET_UP).parent} && touch {SET_UP}"],
            "files": [WITHHELD],
            "checks": [f"sh {self.root}/check"],
        }
        changed = await life.ask("PATCH", f"/clients/{client['id']}", {"settings": {"workspace": workspace}})
        assert changed is not None
        assert changed[0] == 200, changed

    # ------------------------------------------------------------------ what can be seen
    @property
    def _database(self) -> Path:
        return self.root / "home" / "agent-server" / "agent.db"

    def rows(self, query: str = "SELECT * FROM jobs ORDER BY seq") -> list[Row]:
        """Read the database, beside whoever else does."""
        if not self._database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'holds'").fetchall():
                return []
            return [dict(row) for row in connection.execute(query)]

    def bare(self, client_id: str) -> Path:
        """The client's bare repository."""
        [client] = [row for row in self.rows("SELECT * FROM clients") if row["id"] == client_id]
        return self.root / "home" / "repos" / f"{client['directory']}.git"

    def origin(self, org: str, repo: str) -> Path:
        """The repository at the origin."""
        return self.root / "origins" / org / f"{repo}.git"

    def git(self, *arguments: str) -> str:
        """Run git as somebody else."""
        me = {f"GIT_{who}_{what}": "op@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.root), **me}
        return subprocess.run(["git", *arguments], env=environ, check=True, capture_output=True, text=True).stdout

    def file_at(self, repository: Path, commit: str, path: str) -> str | None:
        """The text of a file in a commit; None when the file or the commit is not there."""
        try:
            return self.git("--git-dir", str(repository), "show", f"{commit}:{path}")
        except subprocess.CalledProcessError:
            return None

    def stamps(self, job_id: str) -> list[str]:
        """What was noted for a job: `set-up`, and of its agents `start` and `wrote`, one each per run."""
        path = self.root / "stamps" / job_id
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def overlaps(self, job_id: str) -> bool:
        """Whether an agent of the job was started while another one of its branch was alive."""
        return (self.root / "stamps" / f"{job_id}.overlap").exists()

    def unready(self, job_id: str) -> bool:
        """Whether an agent of the job was started in a worktree that was not set up, or without the client's file."""
        return (self.root / "stamps" / f"{job_id}.unready").exists()

    def leftovers(self) -> list[str]:
        """Worktrees, and what the server and git keep of worktrees; the trash does not count."""
        home = self.root / "home"
        found = [*home.glob("worktrees/[!.]*/*"), *home.glob("repos/*.git/worktrees/*")]
        found += home.glob("agent-server/git/*/worktrees/*")
        return sorted(str(path.relative_to(home)) for path in found)

    def trash(self) -> list[str]:
        """What waits for its deletion."""
        return sorted(path.name for path in self.root.glob("home/*/.trash/*"))

    def processes(self) -> list[str]:
        """The living processes of this place, whoever started them, in words that begin with the pid."""
        return [words for _, words in self._processes()]

    def agents(self, job_id: str | None = None) -> list[str]:
        """Those of agents: of this job, or of any."""
        return [words for job, words in self._processes() if job is not None and job_id in (None, job)]

    def _processes(self) -> Iterator[tuple[str | None, str]]:
        name = server_id(self._database)
        for process in psutil.process_iter():
            try:
                environ = process.environ()
                ours = environ.get("HOME") == str(self.root / "home") or environ.get(SERVER_MARK) == name
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    job, words = environ.get(JOB_MARK), " ".join(process.cmdline())
                    yield job, f"{process.pid} of {job or 'no job'}: {words[:200]}"
            except (psutil.Error, OSError):
                continue  # somebody else's, or gone
