"""Whether everything a run was asked for is there: a fast run that loses a job counts for nothing."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.http_client import HttpClient
from benchmarks.run import Run
from benchmarks.sample import Json

LINE = re.compile(r"L(\d{8}):")


@dataclass(frozen=True)
class JobCheck:
    """What became of a batch of jobs; every count but the doubled ones must equal `jobs`."""

    jobs: int
    callbacks: int
    callbacks_doubled: int
    signatures_right: int
    completed: int
    agents_run: int
    agents_doubled: int
    branches_pushed: int
    server_alive: bool

    @classmethod
    def of(cls, run: Run, keys: Sequence[int]) -> "JobCheck":
        received, agents = run.callbacks.received(), run.agents.runs()
        mine = [received[key] for key in keys if key in received]
        runs = [agents[key] for key in keys if key in agents]
        pushed = {f"feature/rig-{key}" for key in keys} & set(run.origins.branches("feature"))
        return cls(
            jobs=len(keys),
            callbacks=len(mine),
            callbacks_doubled=sum(len(callbacks) - 1 for callbacks in mine),
            signatures_right=sum(all(c.signature_right for c in callbacks) for callbacks in mine),
            completed=sum(callbacks[-1].status == "completed" for callbacks in mine),
            agents_run=len(runs),
            agents_doubled=sum(agent.starts - 1 for agent in runs),
            branches_pushed=len(pushed),
            server_alive=run.server.alive(),
        )

    def problems(self) -> list[str]:
        words = {
            "callbacks": "callbacks received",
            "signatures_right": "callbacks with a right signature",
            "completed": "jobs completed",
            "agents_run": "agents run",
            "branches_pushed": "branches pushed",
        }
        counts = asdict(self)
        found = [f"{counts[name]} of {self.jobs} {word}" for name, word in words.items() if counts[name] != self.jobs]
        if self.callbacks_doubled:
            found.append(f"{self.callbacks_doubled} callbacks more than once")
        if self.agents_doubled:
            found.append(f"{self.agents_doubled} agents started more than once")
        return found if self.server_alive else [*found, "the server died"]


@dataclass(frozen=True)
class LineCheck:
    """What became of the agents' lines in the answers of the API."""

    stored: int
    rows: int
    lost: int
    doubled: int
    disordered: int
    broken_characters: int

    @classmethod
    def of(cls, run: Run, keys: Sequence[int], lines: int | None = None) -> "LineCheck":
        """`lines`: how many each agent wrote; None while they still write, when only gaps count as lost."""
        stored = rows = lost = doubled = disordered = broken = 0
        for key in keys:
            messages = job_messages(run, key)
            text = "".join(m["content"] for m in messages)
            numbers = [int(n) for n in LINE.findall(text)]
            different = len(set(numbers))
            rows += len(messages)
            stored += len(numbers)
            lost += (max(numbers, default=-1) + 1 if lines is None else lines) - different
            doubled += len(numbers) - different
            disordered += sum(b < a for a, b in itertools.pairwise(numbers))
            broken += text.count("\ufffd")
        return cls(stored, rows, lost, doubled, disordered, broken)

    def problems(self) -> list[str]:
        counts = asdict(self)
        words = {"lost": "lost", "doubled": "doubled", "disordered": "out of order", "broken_characters": "broken"}
        return [f"{counts[name]} lines {word}" for name, word in words.items() if counts[name]]


def job_messages(run: Run, key: int) -> list[Json]:
    """All of a job's messages from the agent's standard output, in the order of the answer."""
    answer = _answer(run, f"/jobs/{run.ids[key]}?includeMessages=true")
    return [m for m in answer["messages"] if m["type"] != "stderr"]


def _answer(run: Run, path: str) -> Json:
    http = HttpClient(run.server.port)
    answer = http.get(path)
    http.close()
    if answer.status != 200:
        raise RuntimeError(f"GET {path}: {answer.status} {answer.body[:300]!r}")
    found: Json = answer.json()
    return found


def resumes(run: Run, key: int) -> bool:
    """Whether a job's log, read on in pages from a place in its middle, is what follows there in the whole of it."""
    whole = [m["content"] for m in _answer(run, f"/jobs/{run.ids[key]}?includeMessages=true")["messages"]]
    first = _answer(run, f"/jobs/{run.ids[key]}/messages?limit=1000")
    read, after, more = len(first["messages"]), first["last"], first["more"]
    while more:
        page = _answer(run, f"/jobs/{run.ids[key]}/messages?after={after}&limit=1000")
        contents = [m["content"] for m in page["messages"]]
        if contents != whole[read : read + len(contents)]:
            return False
        read, after, more = read + len(contents), page["last"], page["more"]
    return read == len(whole)
