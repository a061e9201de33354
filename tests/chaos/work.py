"""The jobs of a round: what each does, and how it may end."""

import random
import shlex
from enum import Enum
from pathlib import Path

from attrs import define

from tests.chaos.place import REPOSITORIES, TRACKED, Row

BRANCHES = 6
"""So many branches of a repository take turns: most are continued many times."""


class Kind(Enum):
    """What a job is for."""

    PLAIN = "writes a file"
    LEAVING = "writes a file and leaves processes behind"
    LONG = "writes a file and works until the first kill of the round"
    FAILING = "writes a file and fails"
    DYING = "writes a file and dies"
    IDLE = "changes nothing"
    CANCELLED = "writes a file and works until it is cancelled"
    WITHDRAWN = "writes a file and is cancelled, whatever it does then"


@define
class Task:
    """A job to be sent, and what its caller knows of it."""

    label: str
    kind: Kind
    org: str
    repo: str
    branch: str
    prompt: str
    kills_before: int
    """How often the server had been killed before."""
    patience: int = 0
    """How many kills of its round a withdrawn job lives to see."""
    job_id: str | None = None
    acknowledged: bool = False
    cancels: int = 0
    """How many cancels were sent."""
    cancelled: bool = False
    """Whether one of them was answered with success."""

    @property
    def round(self) -> int:
        """The number of its round."""
        return int(self.label[1:4])

    @property
    def file(self) -> str:
        """The file that the job writes."""
        return f"{self.label}.txt"

    def body(self, hook: str) -> dict[str, str]:
        """The request."""
        names = {"githubOrg": self.org, "githubRepo": self.repo, "branchName": self.branch, "title": self.label}
        return {**names, "prompt": self.prompt, "osFeatureId": self.label, "osCallbackUrl": hook}

    def unexpected(self, row: Row, kills: int) -> str | None:
        """Say what is wrong with the end of the job, `kills` kills after the first of all; None when it is right."""
        end = (row["state"], row["error_code"])
        if self.cancelled and row["state"] != "cancelled":
            return f"{self.label}: its cancel was accepted, yet it is {end}: {row['error']}"
        if row["state"] == "cancelled" and self.cancels:
            return None
        if end == ("failed", "interrupted") and kills - self.kills_before >= 3:
            return None
        if end == _ENDS[self.kind]:
            return None
        return f"{self.label}, which {self.kind.value}, ended as {end}: {row['error']}"


_ENDS = {
    Kind.PLAIN: ("completed", None),
    Kind.LEAVING: ("completed", None),
    Kind.LONG: ("completed", None),
    Kind.FAILING: ("failed", "agent_failed"),
    Kind.DYING: ("failed", "agent_no_result"),
    Kind.IDLE: ("failed", "no_changes"),
    Kind.CANCELLED: ("cancelled", None),
    Kind.WITHDRAWN: ("completed", None),
}


def tasks_of_round(number: int, jobs: int, kills: int, root: Path, dice: random.Random) -> list[Task]:
    """Make the jobs of a round: always a plain one and one whose work is to be kept; two of them share a branch."""
    kinds = [Kind.PLAIN, dice.choice([Kind.FAILING, Kind.DYING, Kind.CANCELLED])]
    kinds += dice.choices([*Kind], k=max(0, jobs - len(kinds)))
    dice.shuffle(kinds)
    branches = [f"agent/{n}" for n in dice.sample(range(BRANCHES), 3)]
    tasks: list[Task] = []
    for place, kind in enumerate(kinds):
        label = f"r{number:03}-{place}"
        org, repo = dice.choice(REPOSITORIES)
        branch = "agent/long" if kind is Kind.LONG else dice.choice(branches)
        if place == 1 and tasks[0].kind is not Kind.LONG is not kind:
            org, repo, branch = tasks[0].org, tasks[0].repo, tasks[0].branch
        prompt = _prompt(label, kind, root, gate_of(root, number), dice)
        tasks.append(Task(label, kind, org, repo, branch, prompt, kills, dice.randint(0, 1)))
    return tasks


def gate_of(root: Path, number: int) -> Path:
    """The file that long jobs of a round wait for."""
    return root / "gates" / f"r{number:03}"


def _prompt(label: str, kind: Kind, root: Path, gate: Path, dice: random.Random) -> str:
    def stamp(word: str) -> str:
        return _play("run", text=f"sh {root}/stamp {root}/stamps/{label} {word} $PPID")

    plays = [stamp("start")]
    if kind is not Kind.IDLE:
        plays += [_play("write", path=path, text=label) for path in (f"{label}.txt", TRACKED)]
        plays.append(stamp("wrote"))
    if kind is Kind.LEAVING:
        for descent in ("setsid", "double-fork"):
            plays.append(_play("child", path=f"{root}/stamps/{label}.{descent}", kind=descent))
    if kind is Kind.LONG and dice.random() < 0.3:
        plays.append(_play("deaf"))
    if kind is Kind.CANCELLED and dice.random() < 0.3:
        plays.append(_play("child", path=f"{root}/stamps/{label}.deaf", kind="double-fork", deaf="yes", quiet="yes"))
    plays += {
        Kind.LONG: [_play("gate", path=str(gate))],
        Kind.FAILING: [_play("result", error="Told to fail")],
        Kind.DYING: [_play("die")],
        Kind.CANCELLED: [_play("wait")],
    }.get(kind, [_play("say", text="Done")])
    return f"{label} {''.join(plays)}"


def _play(word: str, **given: str) -> str:
    return f"[[play:{word} {' '.join(f'{name}={shlex.quote(value)}' for name, value in given.items())}]]"
