"""The jobs of a round: what each does, and how it may end."""

import random
import shlex
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from attrs import define

from tests.chaos.place import BROKEN, PREPARED, REPOSITORIES, SLOTS, TRACKED, Row

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
    CHECKED = "writes a file that a check finds broken, and repairs it"
    REJECTED = "writes a file that a check finds broken, and cannot repair it"
    PATCH = "writes a file, which is kept"
    PUBLISHED = "publishes what another has kept"


CHECKED = (Kind.CHECKED, Kind.REJECTED)


class When(Enum):
    """How far a job is, at least, when the one after it is sent."""

    THERE = ("queued", "preparing", "working", "publishing", "cancelling", "completed", "failed", "cancelled")
    BEGUN = THERE[1:]
    OVER = THERE[5:]


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
    follows: "Task | None" = None
    """The job that this one follows up, or publishes."""
    when: When = When.OVER
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
    def text(self) -> str:
        """What the job writes."""
        return self.follows.label if self.kind is Kind.PUBLISHED and self.follows is not None else self.label

    @property
    def file(self) -> str:
        """The file that the job writes, or publishes."""
        return f"{self.text}.txt"

    @property
    def is_long(self) -> bool:
        """Whether it ends after the first kill of the round only."""
        return self.kind is Kind.LONG or (self.follows is not None and self.follows.is_long)

    def ready(self, rows: Mapping[str, Row]) -> bool:
        """Tell whether it may be sent."""
        return self.follows is None or rows.get(self.follows.label, {}).get("state") in self.when.value

    def vain(self, rows: Mapping[str, Row]) -> bool:
        """Tell whether there is nothing for it to publish: the other was cut short before it had written."""
        row = rows.get(self.follows.label) if self.kind is Kind.PUBLISHED and self.follows is not None else None
        return row is not None and row["state"] in When.OVER.value and row["kept_ref"] is None

    def request(self, hook: str) -> tuple[str, dict[str, str]]:
        """The request: its path and its body."""
        if self.follows is None:
            names = {"githubOrg": self.org, "githubRepo": self.repo, "branchName": self.branch, "title": self.label}
            mode = {"deliveryMode": "patch"} if self.kind is Kind.PATCH else {}
            return "/jobs", {**names, **mode, "prompt": self.prompt, "osFeatureId": self.label, "osCallbackUrl": hook}
        if self.kind is Kind.PUBLISHED:
            return f"/jobs/{self.follows.job_id}/publish", {"deliveryMode": "pull_request"}
        more = {"title": self.label, "osFeatureId": self.label, "deliveryMode": "pull_request"}
        return f"/jobs/{self.follows.job_id}/follow-up", {**more, "prompt": self.prompt}

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
    Kind.CHECKED: ("completed", None),
    Kind.REJECTED: ("failed", "checks_failed"),
    Kind.PATCH: ("completed", None),
    Kind.PUBLISHED: ("completed", None),
}


def label_of(row: Row) -> str:
    """Return the label of the job in this row. A publication has the feature id of what it publishes."""
    return f"{row['os_feature_id']}-published" if row["kind"] == "publish" else str(row["os_feature_id"])


def tasks_of_round(number: int, jobs: int, point: str, kills: int, root: Path, dice: random.Random) -> list[Task]:
    """Make the jobs of a round: always one that is checked and one whose work is to be kept, as the point wants it.

    Two of them may share a branch. To these come what publishes kept ones later and what follows some of them up.
    """
    spoilt = [Kind.FAILING, Kind.DYING, Kind.CANCELLED, Kind.REJECTED]
    kinds = [
        Kind.CHECKED,
        dice.choice({"work kept": [Kind.PATCH], "work not kept": spoilt}.get(point, [*spoilt, Kind.PATCH])),
    ]
    kinds += dice.choices([kind for kind in Kind if kind is not Kind.PUBLISHED], k=max(0, jobs - len(kinds)))
    while kinds.count(Kind.LONG) >= SLOTS:  # in all slots at once they would wait for a kill that waits for the others
        kinds[kinds.index(Kind.LONG)] = Kind.PLAIN
    dice.shuffle(kinds)
    branches = [f"agent/{n}" for n in dice.sample(range(BRANCHES), 3)]
    tasks: list[Task] = []
    for place, kind in enumerate(kinds):
        label = f"r{number:03}-{place}"
        org, repo = PREPARED if kind in CHECKED else dice.choice(REPOSITORIES)
        branch = {Kind.LONG: "agent/long", Kind.PATCH: f"agent/{label}"}.get(kind, dice.choice(branches))
        alone = {Kind.LONG, Kind.PATCH} & {tasks[0].kind, kind} if tasks else set()
        if place == 1 and not alone and (kind not in CHECKED or tasks[0].org == PREPARED[0]):
            org, repo, branch = tasks[0].org, tasks[0].repo, tasks[0].branch
        prompt = _prompt(label, kind, root, f"{org}-{branch}", dice)
        tasks.append(Task(label, kind, org, repo, branch, prompt, kills, dice.randint(0, 1)))
    followed = dice.sample(tasks, max(1, len(tasks) // 3))
    for task in tasks[:]:
        if task in followed:
            tasks.append(_after(task, "followed", Kind.PLAIN, root, dice))
        elif task.kind is Kind.PATCH and dice.random() < 0.8:
            tasks.append(_after(task, "published", Kind.PUBLISHED, root, dice))
    return tasks


def _after(task: Task, how: str, kind: Kind, root: Path, dice: random.Random) -> Task:
    label = f"{task.label}-{how}"
    prompt = _prompt(label, kind, root, f"{task.org}-{task.branch}", dice)
    rescue = "[[play:forget]]" + _play("write", path=BROKEN)
    after = Task(label, kind, task.org, task.repo, task.branch, f"{rescue}{prompt}", task.kills_before)
    after.follows = task
    if kind is not Kind.PUBLISHED:
        after.when = dice.choice([*When])
    return after


def gate_of(root: Path, number: int) -> Path:
    """The file that long jobs of a round wait for."""
    return root / "gates" / f"r{number:03}"


def _prompt(label: str, kind: Kind, root: Path, branch: str, dice: random.Random) -> str:
    def stamp(*words: str) -> str:
        return _play("run", text=f"sh {root}/stamp {words[0]} $PPID {' '.join(words[1:])}")

    plays = [stamp("start", branch.replace("/", "-"))]
    if kind is not Kind.IDLE:
        plays += [_play("write", path=path, text=label) for path in (f"{label}.txt", TRACKED)]
        plays.append(stamp("wrote"))
    if kind in CHECKED:
        plays.append(_play("write", path=BROKEN, text=dice.choice("12") if kind is Kind.CHECKED else "99"))
    if kind is Kind.LEAVING:
        for descent in ("setsid", "double-fork"):
            plays.append(_play("child", path=f"{root}/stamps/{label}.{descent}", kind=descent))
    if kind is Kind.LONG and dice.random() < 0.3:
        plays.append(_play("deaf"))
    if kind is Kind.CANCELLED and dice.random() < 0.3:
        plays.append(_play("child", path=f"{root}/stamps/{label}.deaf", kind="double-fork", deaf="yes", quiet="yes"))
    plays += {
        Kind.LONG: [_play("gate", path=str(gate_of(root, int(label[1:4]))))],
        Kind.FAILING: [_play("result", error="Told to fail")],
        Kind.DYING: [_play("die")],
        Kind.CANCELLED: [_play("wait")],
    }.get(kind, [_play("say", text="Done")])
    return f"{label} {''.join(plays)}"


def _play(word: str, **given: str) -> str:
    return f"[[play:{word} {' '.join(f'{name}={shlex.quote(value)}' for name, value in given.items())}]]"
