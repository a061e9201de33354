"""Bare repositories on this disk that stand behind the stub: every answer of it is computed from them by git."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

_IDENTITY = b"stub <stub@example.invalid> 1700000000 +0000"


class GitError(Exception):
    """git refused; the text is its own."""


@frozen
class Origin:
    """A bare repository `ROOT/OWNER/NAME.git`."""

    path: Path
    _environ: Mapping[str, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        environ = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "HOME": "/nonexistent",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TEMPLATE_DIR": "",
        }
        object.__setattr__(self, "_environ", environ)

    @classmethod
    def create(cls, root: Path, full_name: str, files: Mapping[str, str] | None = None) -> "Origin":
        """Make the repository with one commit on main."""
        origin = cls(root / f"{full_name}.git")
        origin.path.mkdir(parents=True)
        origin.git("init", "--quiet", "--bare", "--initial-branch=main")
        origin.commit("main", files or {"README.md": "hello\n"})
        return origin

    def git(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
        """Run git here, apart from any configuration of the user's, and return what it printed."""
        command = ["git", "--git-dir", str(self.path), *arguments]
        run = subprocess.run(command, env=dict(self._environ), input=stdin, capture_output=True, check=False)
        if check and run.returncode:
            raise GitError(run.stderr.decode(errors="replace").strip())
        return run.stdout.decode("utf-8", "replace")

    def commit(self, branch: str, files: Mapping[str, str], start: str | None = None) -> str:
        """Put a commit with these files on the branch, begun at `start` where it is new; return its sha."""
        parent = self.sha(branch) or (start and self.sha(start))
        stream = b"commit refs/heads/%s\ncommitter %s\ndata 6\nchange\n" % (branch.encode(), _IDENTITY)
        stream += b"from %s\n" % parent.encode() if parent else b""
        for name, text in files.items():
            data = text.encode()
            stream += b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(data), data)
        self.git("fast-import", "--quiet", stdin=stream)
        return self.sha(branch) or ""

    def sha(self, branch: str) -> str | None:
        """Return the branch's commit, or None when there is no such branch."""
        return (
            self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}", check=False).strip() or None
        )

    def ahead(self, base: str, head: str) -> int:
        """Count the commits that `head` has and `base` has not."""
        return int(self.git("rev-list", "--count", f"{base}..{head}"))

    def changed_files(self, base: str, head: str) -> list[str]:
        """Name the changed files as GitHub counts them: since the merge base, a renamed one once."""
        return self.git("diff", "--name-only", "-z", "-M", f"{base}...{head}").split("\0")[:-1]
