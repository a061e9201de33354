"""Runs what controls a supervisor: launchctl, systemctl, loginctl."""

import subprocess
from collections.abc import Sequence

from agent_cli.service.definition import ServiceFailed

PATIENCE = 30.0
"""Seconds for an answer."""


def run(words: Sequence[str], *, limit: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """Run a program and return how it ended. Raises ServiceFailed when it is not there or takes too long."""
    try:
        return subprocess.run(  # noqa: S603  # the words are ours
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except OSError as error:
        raise ServiceFailed(
            f"{words[0]} cannot be run here ({error.strerror}): agent-server service install --print shows the file "
            f"for another machine"
        ) from None
    except subprocess.TimeoutExpired:
        raise ServiceFailed(f"{' '.join(words)} did not end within {limit:.0f} seconds") from None


def run_well(words: Sequence[str], *, limit: float = PATIENCE, remedy: str = "") -> None:
    """Run a program that must succeed. Raises ServiceFailed with its own words."""
    ended = run(words, limit=limit)
    if ended.returncode != 0:
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
        words_of_it = f": {said[-1]}" if said else f" with exit code {ended.returncode}"
        raise ServiceFailed(f"{' '.join(words)} failed{words_of_it}{remedy and f'. {remedy}'}")
