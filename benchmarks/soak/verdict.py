"""Whether every job of a soak became what it should, was called back once, and is at its origin."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator

from benchmarks.event_log import EventLog
from benchmarks.run import Run
from benchmarks.sample import Json
from benchmarks.server import ServerFailed
from benchmarks.soak.caller import ACCEPTED, Caller, Sent
from benchmarks.standins import LOG
from benchmarks.verification import LineCheck

SAMPLE = 40
"""Of so many completed jobs every line is looked at."""
OF_THE_AGENT = {"agent_failed"}
"""Why a job may have failed: its agent was told to. Everything else would be the server's or git's doing."""


class Verdict:
    """What became of the jobs."""

    def __init__(self, run: Run, caller: Caller) -> None:
        self.run, self.caller = run, caller
        self.ends: Counter[str] = Counter()
        self.jobs = {job_id: self._job(job_id) for job_id in caller.sent}
        self.kept = sum(job is not None and job.get("keptRef") is not None for job in self.jobs.values())
        self.agents: Counter[str] = Counter()
        for event in EventLog(run.base / LOG).news():
            self.agents[event.get("job", "")] += event["ev"] == "start"

    def problems(self) -> list[str]:
        """In words; none when all is well."""
        return [*self._ends(), *self._callbacks(), *self._agents(), *self._commits(), *self._lines()]

    def _job(self, job_id: str) -> Json | None:
        answer = self.run.server.http.get(f"/jobs/{job_id}")
        if answer.status not in (200, 404):
            raise ServerFailed(f"GET /jobs/:id: {answer.status} {answer.body[:300]!r}")
        found: Json = answer.json()
        return found if answer.status == 200 else None

    def _each(self) -> Iterator[tuple[Sent, Json]]:
        return ((self.caller.sent[job_id], job) for job_id, job in self.jobs.items() if job is not None)

    def _ends(self) -> Iterator[str]:
        yield from (f"{job_id}: lost" for job_id, job in self.jobs.items() if job is None)
        for sent, job in self._each():
            end = job["status"]
            self.ends[end] += 1
            wanted = "cancelled" if sent.cancelled else "failed" if sent.code else "completed"
            if end != wanted or (end == "failed" and job["errorCode"] not in OF_THE_AGENT):
                yield f"{sent.id}, {sent.made_of}: {end} and not {wanted}: {job.get('errorCode')}: {job.get('error')}"

    def _callbacks(self) -> Iterator[str]:
        for sent, job in self._each():
            came = self.caller.deliveries.get(sent.id, [])
            taken = [event for event in came if event["answer"] in ACCEPTED]
            if len(taken) != 1 or len({event["delivery"] for event in came}) != 1:
                told = (
                    f"{(event['t'] - came[0]['t']) / 1e9:.1f} s {event['delivery']} {event['answer']}" for event in came
                )
                yield f"{sent.id}: {len(taken)} callbacks taken, of {len(came)} requests: {', '.join(told)}"
            if not all(event["sig"] for event in came):
                yield f"{sent.id}: a callback with a wrong signature"
            if any(event["status"] != job["status"] for event in came):
                yield f"{sent.id}: was told as {came[0]['status']} and is {job['status']}"

    def _agents(self) -> Iterator[str]:
        for sent, job in self._each():
            count = self.agents[sent.id]
            if count > 1 or (count == 0 and job["status"] != "cancelled"):
                yield f"{sent.id}: {count} agents"

    def _commits(self) -> Iterator[str]:
        for repo, name in enumerate(self.run.repos):
            done = [(sent, job) for sent, job in self._each() if sent.repo == repo and job["status"] == "completed"]
            asked = "\n".join(job["commitSha"] or "none" for _, job in done)
            command = ["git", "-C", str(self.run.origins.path(name)), "cat-file", "--batch-check"]
            found = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
            for (sent, _), line in zip(done, found, strict=True):
                if not re.fullmatch(r"[0-9a-f]+ commit \d+", line):
                    yield f"{sent.id}: its commit is not at the origin: {line}"

    def _lines(self) -> Iterator[str]:
        done = [sent for sent, job in self._each() if job["status"] == "completed"]
        for sent in done[:: max(1, len(done) // SAMPLE)]:
            self.run.ids[sent.key] = sent.id
            yield from (f"{sent.id}: {words}" for words in LineCheck.of(self.run, [sent.key], sent.lines).problems())
