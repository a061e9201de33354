"""The callers of a soak: they send, cancel, follow up and retry, and wait for the callbacks."""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.event_log import EventLog
from benchmarks.run import Run
from benchmarks.server import ServerFailed
from benchmarks.soak.plan import Dice, Wish

TICK_S = 0.02
MOOD_S = 4.0
"""So long the depth of the queue stays what it is."""
ACCEPTED = (200, "late")


@dataclass
class Sent:
    """A job that the server has acknowledged. `code` is what its agent ends with."""

    id: str
    repo: int
    branch: str
    code: int
    key: int
    lines: int
    cancelled: bool = False
    made_of: str = "new"


@dataclass
class Caller:
    """Keeps one server busy."""

    run: Run
    dice: Dice
    sent: dict[str, Sent] = field(default_factory=dict)
    """By id."""
    counts: Counter[str] = field(default_factory=Counter)
    deliveries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Every callback as it came, by the id of its job."""
    taken: set[str] = field(default_factory=set)
    """The jobs whose callback was accepted: they are over."""
    retired: set[str] = field(default_factory=set)
    """The jobs of which nothing more is made: their branches may be merged and go."""

    def __post_init__(self) -> None:
        self._log = EventLog(self.run.base / "callbacks.log")
        self._cancels: list[tuple[float, str]] = []
        self._choosing = threading.Lock()

    def work(self, jobs: int, until: float) -> None:
        """Send so many jobs, fewer when the time is up, and do with them what callers do."""
        depth, changes, begun = self.run.concurrent, time.monotonic() + MOOD_S, len(self.sent)
        while (done := len(self.sent) - begun) < jobs and time.monotonic() < until:
            self.look()
            if time.monotonic() > changes:
                depth, changes = self.dice.depth(self.run.concurrent), time.monotonic() + MOOD_S
            if len(self.sent) - len(self.taken) < depth:
                self._send(self.dice.wish(jobs - done))
            else:
                time.sleep(TICK_S)

    def rest(self, limit_s: float) -> bool:
        """Wait until every job is over and nothing is left to be cancelled; False when time is up."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            self.look()
            if not self._cancels and self.taken >= self.sent.keys():
                return True
            time.sleep(TICK_S)
        return False

    def one_each(self) -> None:
        """Send one more job to each repository: its fetch brings what happened at the origin."""
        for repo in range(len(self.run.repos)):
            wish = self.dice.wish(0)
            self._create(Wish(wish.key, repo, 0.0, 5, 0, None, "new"))

    def retire(self, branches: Sequence[str], at_most: int) -> list[str]:
        """Choose branches whose jobs are all over; nothing more is made of these jobs. From any thread."""
        with self._choosing:
            of: dict[str, set[str]] = {}
            for job in self.sent.values():
                of.setdefault(job.branch, set()).add(job.id)
            chosen = [branch for branch in branches if of.get(branch, set()) <= self.taken and branch in of][:at_most]
            self.retired.update(*(of[branch] for branch in chosen))
        return chosen

    def look(self) -> None:
        """See what was called back, and cancel what is due."""
        for event in self._log.news():
            self.deliveries.setdefault(event["job"], []).append(event)
            self.counts[f"callbacks answered with {event['answer']}"] += 1
            if event["answer"] in ACCEPTED:
                self.taken.add(event["job"])
        while self._cancels and self._cancels[0][0] <= time.monotonic():
            _, job_id = heapq.heappop(self._cancels)
            status, _ = self._ask(f"/jobs/{job_id}/cancel", None, 200, 400)
            self.sent[job_id].cancelled |= status == 200
            self.counts["cancelled" if status == 200 else "cancels that came too late"] += 1

    def _over(self) -> list[Sent]:
        return [job for job in self.sent.values() if job.id in self.taken and job.id not in self.retired]

    def _send(self, wish: Wish) -> None:
        with self._choosing:
            self._make(wish)

    def _make(self, wish: Wish) -> None:
        if wish.made_of == "follow-up" and (open_ := [*self.sent.keys() - self.retired]):
            self._follow_up(wish, self.sent[self.dice.dice.choice(sorted(open_))])
        elif wish.made_of == "retry" and (over := [job for job in self._over() if job.cancelled or job.code]):
            self._retry(wish, self.dice.dice.choice(over))
        else:
            self._create(wish)

    def _create(self, wish: Wish) -> None:
        body = self.run.job_body(wish.key, wish.repo, **wish.directive())
        _, made = self._ask("/jobs", body, 201)
        self._note(wish, Sent(made["id"], wish.repo, body["branchName"], wish.code, wish.key, wish.lines))

    def _follow_up(self, wish: Wish, job: Sent) -> None:
        whole = self.run.job_body(wish.key, job.repo, **wish.directive())
        body = {name: whole[name] for name in ("prompt", "title", "osCallbackUrl")}
        _, made = self._ask(f"/jobs/{job.id}/follow-up", body, 201)
        self._note(wish, Sent(made["id"], job.repo, job.branch, wish.code, wish.key, wish.lines, made_of="follow-up"))

    def _retry(self, wish: Wish, job: Sent) -> None:
        _, made = self._ask(f"/jobs/{job.id}/retry", None, 201)
        self._note(wish, Sent(made["id"], job.repo, job.branch, job.code, job.key, job.lines, made_of="retry"))

    def _note(self, wish: Wish, job: Sent) -> None:
        self.sent[job.id] = job
        self.counts[f"jobs, {job.made_of}"] += 1
        if wish.cancelled_after is not None:
            heapq.heappush(self._cancels, (time.monotonic() + wish.cancelled_after, job.id))

    def _ask(self, path: str, body: object, *expected: int) -> tuple[int, Any]:
        answer = self.run.server.http.request("POST", path, body)
        if answer.status not in expected:
            raise ServerFailed(f"POST {path}: {answer.status} {answer.body[:300]!r}\n{self.run.server.last_words()}")
        return answer.status, answer.json()
