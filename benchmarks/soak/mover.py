"""Somebody who works at an origin meanwhile: commits to main all the time, merges branches of jobs, deletes them."""

import os
import subprocess
import threading
import time
from pathlib import Path

from benchmarks.run import Run
from benchmarks.soak.caller import Caller

PAUSE_S = 0.7
AT_ONCE = 3
REPO = 0


class Mover(threading.Thread):
    """Moves the first origin until `end`."""

    def __init__(self, run: Run, caller: Caller) -> None:
        super().__init__(daemon=True)
        self.caller, self.origin, self.clone = caller, run.origins.path(run.repos[REPO]), run.base / "mover"
        self.commits = self.merged = 0
        self.trouble: list[str] = []
        self._halt = threading.Event()

    def run(self) -> None:
        self._git("clone", "-q", str(self.origin), str(self.clone), at=self.origin)
        while not self._halt.wait(PAUSE_S):
            self._move()

    def end(self) -> None:
        self._halt.set()
        self.join(60)

    def _move(self) -> None:
        """One commit, or the merge of some branches whose jobs are over for good."""
        (self.clone / "news.txt").write_text(f"{time.monotonic_ns()}\n")
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "News")
        self._git("fetch", "-q", "origin")
        listed = self._git("for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin/feature").split()
        gone = self.caller.retire(listed, AT_ONCE)
        for branch in gone:
            self._git("merge", "-q", "--no-edit", f"origin/{branch}")
        self._git("push", "-q", "origin", "main", *(f":refs/heads/{branch}" for branch in gone))
        self._git("fetch", "-q", "--prune", "origin")
        self.commits += 1 + len(gone)
        self.merged += len(gone)

    def _git(self, *arguments: str, at: Path | None = None) -> str:
        me = {f"GIT_{who}_{what}": "m@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.clone.parent), **me}
        command = ["git", "-C", str(at or self.clone), *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            self.trouble.append(f"git {' '.join(arguments)}: {done.stderr.strip()[-200:]}")
        return done.stdout
