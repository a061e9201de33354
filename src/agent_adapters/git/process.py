"""Runs git: no shell, a process group per command, a time limit, and the group dead before a cancelled call returns."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from agent_adapters.processes.coprocess import Coprocess
from agent_adapters.processes.program import run_program
from agent_core.domain.errors import RepoStoreError

KEPT_VARIABLES = {
    "GIT_ASKPASS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
}
SECRETS = {"AGENT_API_SECRET", "AGENT_TOKEN", "WEBHOOK_SECRET", "WEBHOOK_SECRET_OLD"}
HARDENING = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
"""As `-c` these reach repositories nested in a worktree too, which a configuration file of ours would not."""
PATIENCE = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30")
"""A server that sends nothing for half a minute has hung."""


@frozen(kw_only=True)
class GitOutcome:
    """What a git command did. `err` is text; `out` are bytes, since it may hold file names."""

    command: str
    status: int
    out: bytes
    err: str
    cut: bool = False
    """Whether it was ended because more came out than was wanted."""

    @property
    def ok(self) -> bool:
        """Whether git was content."""
        return self.status == 0

    @property
    def lines(self) -> list[str]:
        """The output's lines."""
        return os.fsdecode(self.out).splitlines()


def _git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environ.items()
        if name not in SECRETS and (not name.startswith("GIT_") or name in KEPT_VARIABLES or name.startswith("GIT_SSL"))
    }
    # English messages, since errors are told apart by them; nobody is there to answer a prompt.
    return kept | {
        "LC_ALL": "C",
        "LANGUAGE": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        # Refs that an agent can write would show other contents here than what is pushed.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_DEFAULT_HASH": "sha1",
        "GIT_DEFAULT_REF_FORMAT": "files",
    }


@frozen
class Git:
    """The git program, run with this environment: secrets and variables that lead git elsewhere are left out."""

    environ: Mapping[str, str] = field(converter=_git_environment)

    async def run(
        self,
        *arguments: str,
        git_dir: Path,
        limit: float,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        most: int | None = None,
    ) -> GitOutcome:
        """Run `git ARGUMENTS` on a git directory and return how it ended. With more than `most` bytes it is ended.

        Raises RepoStoreError with `git_missing`, or transient when the limit (seconds) is over.
        """
        command = f"git {arguments[0]}"
        environ = {**self.environ, **(env or {}), "GIT_DIR": str(git_dir)}
        try:
            done = await run_program(_argv(arguments), environ, limit=limit, stdin=stdin, most=most)
        except TimeoutError as error:
            raise RepoStoreError(f"{command} did not end within {limit:.0f} seconds", transient=True) from error
        except OSError as error:
            raise RepoStoreError(
                f"The program git could not be started ({error.strerror}): install git, and see that PATH leads to it",
                code="git_missing",
            ) from error
        return GitOutcome(
            command=command, status=done.status, out=done.out, err=done.err.decode("utf-8", "replace"), cut=done.cut
        )

    def kept(self, *arguments: str, git_dir: Path) -> Coprocess:
        """Return `git ARGUMENTS` to be asked again and again: a command that only reads."""
        return Coprocess(_argv(arguments), {**self.environ, "GIT_DIR": str(git_dir)})


def _argv(arguments: Sequence[str]) -> list[str]:
    return ["git", *HARDENING, *PATIENCE, *arguments]
