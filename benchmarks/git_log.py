"""What the server's git commands did, as git itself notes it (trace2): how many there were, and which failed."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sample import Json

CONFIGURATION = "[trace2]\n\teventTarget = {}\n\teventBrief = true\n"
ANSWER = 1
"""This code is an answer, "no", of most commands; of these it is a failure."""
MUST_DO = {
    "add",
    "fetch",
    "gc",
    "hash-object",
    "ls-remote",
    "mktree",
    "pack-refs",
    "push",
    "read-tree",
    "symbolic-ref",
    "update-index",
    "update-ref",
    "write-tree",
}


@dataclass(frozen=True)
class GitCount:
    """The commands that ended, by name, and those that failed, in words. One that was killed counts as neither."""

    commands: Counter[str]
    failed: list[str]


class GitLog:
    """A file that every git which reads this home's ~/.gitconfig writes to, from now on. It makes git slower."""

    def __init__(self, home: Path, file: Path) -> None:
        self._file = file
        with (home / ".gitconfig").open("a") as configuration:
            configuration.write(CONFIGURATION.format(file))

    def count(self) -> GitCount:
        """What was noted until now. What git started itself, also at an origin on this disk, is left out."""
        names: dict[str, str] = {}
        arguments: dict[str, str] = {}
        said: dict[str, str] = {}
        commands: Counter[str] = Counter()
        failed = []
        for event in self._events():
            of, kind = event["sid"], event["event"]
            if "/" in of:
                continue
            if kind == "start":
                arguments[of] = " ".join(event["argv"][1:])[:200]
            elif kind == "cmd_name":
                names[of] = event["name"]
            elif kind == "error":
                said.setdefault(of, event["msg"])
            elif kind == "exit":
                name, code = names.get(of, "?"), event["code"]
                commands[name] += 1
                if code > ANSWER or (code == ANSWER and name in MUST_DO):
                    failed.append(f"git {arguments.get(of)}: {code}: {said.get(of, '')}")
        return GitCount(commands, failed)

    def _events(self) -> list[Json]:
        if not self._file.exists():
            return []
        wanted = ('{"event":"start"', '{"event":"cmd_name"', '{"event":"error"', '{"event":"exit"')
        with self._file.open(errors="replace") as file:
            return [json.loads(line) for line in file if line.startswith(wanted)]
