"""What must hold, whenever and however often the server was killed."""

from collections import Counter
from pathlib import Path

from attrs import define, field

from tests.chaos.place import PRIVATE, REPOSITORIES, TRACKED, WITHHELD, ChaosPlace, Row
from tests.chaos.receiver import Receiver
from tests.chaos.tally import Tally
from tests.chaos.work import Kind, Task, label_of

FINAL = ("completed", "failed", "cancelled")
RUNNING = ("preparing", "working", "publishing", "cancelling")


@define
class Checks:
    """Looks at a place: at each death of the server, when all work of a round has ended, and in the end."""

    place: ChaosPlace
    receiver: Receiver
    tally: Tally
    _ended: dict[str, str] = field(factory=dict)
    """The jobs that had ended at the last death, and how."""
    _agent_finished: dict[tuple[str, int], int] = field(factory=dict)
    """The jobs whose agent had finished by the record, after so many checks, and how often it had been started."""

    def at_death(self, tasks: list[Task]) -> None:
        """Nothing that was promised is gone, and no end has changed."""
        rows = {row["id"]: row for row in self.place.rows()}
        for task in tasks:
            if task.acknowledged and task.job_id not in rows:
                self.tally.fault("jobs lost", f"{task.label} was accepted as {task.job_id}")
        for job_id, end in self._ended.items():
            if job_id not in rows or rows[job_id]["state"] != end:
                now = rows[job_id]["state"] if job_id in rows else "gone"
                self.tally.fault("ended twice or not", f"{job_id} was {end} and is {now}")
        for row in rows.values():
            if row["state"] in FINAL:
                self._ended[row["id"]] = row["state"]
            if row["agent_finished_at"] is not None:
                starts = self.place.stamps(row["id"]).count("start")
                self._agent_finished.setdefault((row["id"], row["check_rounds"]), starts)

    def at_rest(self, tasks: list[Task], kills: int, stops: int) -> None:
        """All work of the round has ended, as it should, and nothing of it is left but what shall stay.

        `kills` counts those of all rounds, `stops` how often the server was told to stop in this one.
        """
        rows = {label_of(row): row for row in self.place.rows()}
        if len(rows) != len(self.place.rows()):
            self.tally.fault("ended twice or not", "two rows of one job")
        for task in tasks:
            row = rows.get(task.label)
            if row is None or row["id"] != task.job_id:
                self.tally.fault("jobs lost", f"{task.label}, {task.job_id}")
                continue
            self.tally.jobs[row["state"]] += 1
            if row["state"] not in FINAL or row["status"] != row["state"]:
                self.tally.fault("ended twice or not", f"{task.label} is {row['state']}, shown as {row['status']}")
            elif wrong := task.unexpected(row, kills):
                self.tally.fault("ended otherwise than they should", wrong)
            self._agents(task, row, stops)
            self._work(task, row)
            self._chain(task, row, rows)
        for path in self.place.leftovers():
            self.tally.fault("worktrees left", path)
        self.at_death(tasks)

    def _agents(self, task: Task, row: Row, stops: int) -> None:
        starts = self.place.stamps(row["id"]).count("start")
        if starts > 1 + row["crashes"] + stops + (row["error_code"] == "interrupted") + row["check_rounds"]:
            self.tally.fault("agents run again", f"{task.label}: {starts} starts, {row['crashes']} crashes")
        if starts > self._agent_finished.get((row["id"], row["check_rounds"]), starts):
            self.tally.fault("agents run again", f"{task.label}: started again when its agent had finished")
        if starts and task.kind is Kind.PUBLISHED:
            self.tally.fault("agents run again", f"{task.label}: for work that was finished")
        if self.place.overlaps(row["id"]):
            self.tally.fault("two agents at once", task.label)
        if self.place.unready(row["id"]):
            self.tally.fault("agents before their setup", task.label)

    def _chain(self, task: Task, row: Row, rows: dict[str, Row]) -> None:
        """What follows another job up came after it, and went on in its session and with what it had kept."""
        if task.follows is None or task.follows.label not in rows:
            return
        before = rows[task.follows.label]
        if row["follow_up_of"] != before["id"]:
            self.tally.fault(
                "follow-ups too early or in another session", f"{task.label} follows {row['follow_up_of']}"
            )
        if row["started_at"] is not None and row["started_at"] < before["completed_at"]:
            self.tally.fault("follow-ups too early or in another session", f"{task.label} began at {row['started_at']}")
        if None not in (row["session_id"], before["session_id"]) and row["session_id"] != before["session_id"]:
            self.tally.fault("follow-ups too early or in another session", f"{task.label} has a session of its own")
        kept = task.follows.kind is Kind.PATCH and before["state"] == row["state"] == "completed"
        origin = self.place.origin(task.org, task.repo)
        if kept and self.place.file_at(origin, row["commit_sha"], task.follows.file) != task.follows.text:
            self.tally.fault("work lost", f"{task.label} has not published what {task.follows.label} had kept")

    def _work(self, task: Task, row: Row) -> None:
        """What the agent wrote is at the origin, or kept."""
        is_published = task.kind is Kind.PUBLISHED and row["state"] == "completed"
        if "wrote" not in self.place.stamps(row["id"]) and not is_published:
            return
        origin, ref = self.place.origin(task.org, task.repo), f"refs/agent/kept/{row['id']}"
        if row["state"] == "completed" and task.kind is not Kind.PATCH:
            where, commit = origin, row["commit_sha"]
        elif row["kept_ref"] == ref:
            where, commit = self.place.bare(row["client_id"]), ref
        else:  # pushed, perhaps without a record of it; later jobs may have changed the branch since
            where = origin
            commit = self.place.git(
                "-C", str(origin), "log", "-1", "--format=%H", "--branches", "--", task.file
            ).strip()
        for path in (task.file, TRACKED):
            if self.place.file_at(where, commit, path) != task.text:
                self.tally.fault("work lost", f"{task.label}, {row['state']}: {path} is not in {where} at {commit!r}")

    def in_the_end(self, tasks: list[Task]) -> None:
        """The server has ended well: one pull request for each branch, one callback for each job."""
        rows = self.place.rows()
        clients = {
            row["id"]: (row["github_org"], row["github_repo"]) for row in self.place.rows("SELECT * FROM clients")
        }
        kept = {task.job_id for task in tasks if task.kind is Kind.PATCH}
        done = [row for row in rows if row["state"] == "completed" and row["id"] not in kept]
        needed = {(*clients[row["client_id"]], row["branch_name"]) for row in done}
        known = {(task.org, task.repo, task.branch) for task in tasks}
        opened = [(pull["org"], pull["repo"], pull["head"]) for pull in self.place.gh.pulls]
        for branch in sorted(known | set(opened)):
            if opened.count(branch) > 1 or (branch in needed and branch not in opened) or branch not in known:
                self.tally.fault("pull requests missing or too many", f"{branch}: {opened.count(branch)}")
        for row in rows:
            sent, label = self.receiver.sent[row["id"]], row["os_feature_id"]
            if row["id"] not in self.receiver.accepted or len(sent) != 1:
                self.tally.fault("callbacks missing or of two ids", f"{label}, {row['state']}: {sorted(sent)}")
            elif self.receiver.status(row["id"]) != row["status"]:
                self.tally.fault("callbacks missing or of two ids", f"{label}, {row['state']}, was told otherwise")
        for process in self.place.processes():
            self.tally.fault("processes left", process)
        for name in self.place.trash():
            self.tally.fault("worktrees left", f"in the trash: {name}")
        self._patches(tasks)
        self._ledger(rows)
        for org, repo in REPOSITORIES:
            if trouble := self.place.git("--git-dir", str(self.place.origin(org, repo)), "fsck", "--no-dangling"):
                self.tally.fault("repositories spoilt", trouble)
            self._withheld(self.place.origin(org, repo))
        for client_id in clients:
            if trouble := self.place.git("--git-dir", str(self.place.bare(client_id)), "fsck", "--no-dangling"):
                self.tally.fault("repositories spoilt", trouble)
            self._withheld(self.place.bare(client_id))
        self.tally.callbacks.update(
            {
                "sent": self.receiver.requests,
                "refused": self.receiver.refused,
                "sent again": self.receiver.requests - len(self.receiver.sent),
            }
        )

    def _patches(self, tasks: list[Task]) -> None:
        """What was only kept is not at the origin; what was published later is there as one commit."""
        after = {task.follows.label: task for task in tasks if task.follows is not None}
        for task in tasks:
            if task.kind is not Kind.PATCH:
                continue
            origin = str(self.place.origin(task.org, task.repo))
            found = self.place.git("-C", origin, "for-each-ref", "--format=%(refname)", f"refs/heads/{task.branch}")
            commits = self.place.git("-C", origin, "rev-list", f"main..{found.strip()}").split() if found else []
            if len(commits) > (task.label in after):
                self.tally.fault("patches pushed, work published twice", f"{task.label}: {len(commits)} commits")

    def _withheld(self, repository: Path) -> None:
        """The client's file is in no commit, whatever refers to it."""
        there = self.place.git("--git-dir", str(repository), "rev-list", "--objects", "--all", "--reflog")
        text = self.place.root / "withheld"
        text.write_text(PRIVATE)
        blob = self.place.git("hash-object", str(text)).strip()
        if f"{blob} " in there or f" {WITHHELD}\n" in there:
            self.tally.fault("withheld files published", str(repository))

    def _ledger(self, rows: list[Row]) -> None:
        """Each job is entered once, as it ended."""
        [entered] = self.place.rows(
            "SELECT sum(jobs) AS jobs, sum(completed) AS completed, sum(failed) AS failed,"
            " sum(cancelled) AS cancelled FROM ledger"
        )
        ends = Counter(row["state"] for row in rows)
        if entered != {"jobs": ends.total(), **{end: ends[end] for end in FINAL}}:
            self.tally.fault("ledger wrong", f"{entered} for {dict(ends)}")
