"""Somebody else's commit on the branch, pushed while the agent works."""

import os
import subprocess
import uuid

from .turn import ToolFailed

LIMIT = 60.0
WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Somebody Else"), ("EMAIL", "somebody.else@localhost"))
}


def push_rival() -> str:
    """Put a commit with one more file on the checked-out branch at the origin; the checkout stays as it is.

    Returns what was pushed where. Raises ToolFailed.
    """
    branch = _git("symbolic-ref", "--short", "HEAD").strip()
    blob = _git("hash-object", "-w", "--stdin", given="Somebody else was here.\n").strip()
    file = f"100644 blob {blob}\tREHEARSAL_RIVAL_{uuid.uuid4().hex[:8]}.md\0"
    tree = _git("mktree", "-z", "--missing", given=_git("ls-tree", "-z", "HEAD") + file).strip()
    commit = _git("commit-tree", tree, "-p", "HEAD", "-m", "Somebody else's commit").strip()
    _git("push", "--no-verify", "origin", f"{commit}:refs/heads/{branch}")
    return f"{commit} -> {branch}"


def _git(*words: str, given: str = "") -> str:
    environ = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", **os.environ, **WHO, "GIT_TERMINAL_PROMPT": "0"}
    try:
        run = subprocess.run(
            ["git", *words],
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env=environ,
            timeout=LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise ToolFailed(f"git could not be run: {problem}") from problem
    if run.returncode != 0:
        said = run.stderr.decode("utf-8", "replace").strip()
        raise ToolFailed(f"Exit code {run.returncode}\ngit {words[0]}: {said}")
    return run.stdout.decode("utf-8", "surrogateescape")
