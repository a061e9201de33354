"""A small project in a bare repository on this disk: what a job's repository at GitHub would be."""

import os
import subprocess
from pathlib import Path
from typing import Self

from attrs import frozen

ORG = "acme"
REPO = "greeter"
BASE = "main"

_GREETER = '''"""Says hello: python3 greeter.py Ada"""

import sys


def greet(name: str) -> str:
    """Return the greeting for one person."""
    # TODO: greet the person by name
    return "Hello!"


if __name__ == "__main__":
    print(greet(sys.argv[1]))
'''
_TEST = '''"""Run it with: python3 -m unittest"""

import unittest

from greeter import greet


class GreetTest(unittest.TestCase):
    def test_a_person_is_greeted_by_name(self) -> None:
        self.assertEqual(greet("Ada"), "Hello, Ada!")
'''
_HISTORY = (
    ("The greeter", {"greeter.py": _GREETER}),
    ("A README", {"README.md": "# greeter\n\nSays hello.\n\n    python3 greeter.py Ada\n"}),
    ("Ask for greetings by name: a test that fails", {"test_greeter.py": _TEST}),
)


class GitFailed(Exception):
    """git could not be run or refused; the text has its words."""


@frozen
class Origin:
    """The bare repository. Its methods run git and block."""

    path: Path

    @classmethod
    def make(cls, origins: Path) -> Self:
        """Make the project and its history under `origins`. Raises GitFailed."""
        origin = cls(origins / ORG / f"{REPO}.git")
        origin.path.mkdir(parents=True)
        _git(origin.path, "init", "--quiet", "--bare", f"--initial-branch={BASE}")
        desk = origins / "desk"
        _git(origins, "clone", "--quiet", str(origin.path), str(desk))
        for subject, files in _HISTORY:
            for name, text in files.items():
                (desk / name).write_text(text)
            _git(desk, "add", "--all")
            _git(desk, "commit", "--quiet", f"--message={subject}")
        _git(desk, "push", "--quiet", "origin", f"HEAD:refs/heads/{BASE}")
        return origin

    def tip(self, branch: str) -> str | None:
        """Return the branch's commit, or None when there is no such branch."""
        return _git(self.path, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").strip() or None

    def subjects(self, branch: str) -> list[str]:
        """Return the first lines of the commits that the branch has and the base has not, oldest first."""
        return _git(self.path, "log", "--reverse", "--format=%s", f"{BASE}..refs/heads/{branch}").splitlines()

    def changed_files(self, branch: str) -> list[str]:
        """Return the paths that differ between the base and the branch."""
        return _git(self.path, "diff", "--name-only", f"{BASE}...refs/heads/{branch}").splitlines()

    def diff(self, branch: str) -> list[str]:
        """Return what the branch changes, line by line."""
        return _git(self.path, "diff", f"{BASE}...refs/heads/{branch}").splitlines()


def _git(directory: Path, *arguments: str) -> str:
    """Run git as if this machine had no configuration of its own."""
    person = {"NAME": "Ada Lovelace", "EMAIL": "ada@example.com", "DATE": "2025-01-07T12:00:00Z"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    environment |= {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in person.items()}
    command = ["git", *arguments]
    try:
        run = subprocess.run(  # noqa: S603  # git is what this is for; every argument is ours
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=True,
        )
    except FileNotFoundError:
        raise GitFailed("git is not installed: brew install git, or apt install git") from None
    except subprocess.CalledProcessError as problem:
        words = problem.stderr.decode("utf-8", "replace").strip()
        raise GitFailed(f"git {arguments[0]} failed: {words}") from problem
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise GitFailed(f"git {arguments[0]} could not be run: {problem}") from problem
    return run.stdout.decode("utf-8", "replace")
