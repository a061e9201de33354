"""What must hold, whenever and however often the server was killed."""

from attrs import define, field

from tests.chaos.place import REPOSITORIES, TRACKED, ChaosPlace, Row
from tests.chaos.receiver import Receiver
from tests.chaos.tally import Tally
from tests.chaos.work import Task

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
    _agent_finished: dict[str, int] = field(factory=dict)
    """The jobs whose agent had finished by the record, and how often it had been started."""

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
                starts = self.place.stamps(row["os_feature_id"]).count("start")
                self._agent_finished.setdefault(row["id"], starts)

    def at_rest(self, tasks: list[Task], kills: int, stops: int) -> None:
        """All work of the round has ended, as it should, and nothing of it is left but what shall stay.

        `kills` counts those of all rounds, `stops` how often the server was told to stop in this one.
        """
        rows = {row["os_feature_id"]: row for row in self.place.rows()}
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
        for path in self.place.leftovers():
            self.tally.fault("worktrees left", path)
        self.at_death(tasks)

    def _agents(self, task: Task, row: Row, stops: int) -> None:
        starts = self.place.stamps(task.label).count("start")
        if starts > 1 + row["crashes"] + stops + (row["error_code"] == "interrupted"):
            self.tally.fault("agents run again", f"{task.label}: {starts} starts, {row['crashes']} crashes")
        if starts > self._agent_finished.get(row["id"], starts):
            self.tally.fault("agents run again", f"{task.label}: started again when its agent had finished")
        if task.label in self.place.overlaps():
            self.tally.fault("two agents of a job at once", task.label)

    def _work(self, task: Task, row: Row) -> None:
        """What the agent wrote is at the origin, or kept."""
        if "wrote" not in self.place.stamps(task.label):
            return
        origin, ref = self.place.origin(task.org, task.repo), f"refs/agent/kept/{row['id']}"
        if row["state"] == "completed":
            where, commit = origin, row["commit_sha"]
        elif row["kept_ref"] == ref:
            where, commit = self.place.bare(row["client_id"]), ref
        else:  # pushed, perhaps without a record of it; later jobs may have changed the branch since
            where = origin
            commit = self.place.git(
                "-C", str(origin), "log", "-1", "--format=%H", "--branches", "--", task.file
            ).strip()
        for path in (task.file, TRACKED):
            if self.place.file_at(where, commit, path) != task.label:
                self.tally.fault("work lost", f"{task.label}, {row['state']}: {path} is not in {where} at {commit!r}")

    def in_the_end(self, tasks: list[Task]) -> None:
        """The server has ended well: one pull request for each branch, one callback for each job."""
        rows = self.place.rows()
        clients = {
            row["id"]: (row["github_org"], row["github_repo"]) for row in self.place.rows("SELECT * FROM clients")
        }
        needed = {(*clients[row["client_id"]], row["branch_name"]) for row in rows if row["state"] == "completed"}
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
        for org, repo in REPOSITORIES:
            if trouble := self.place.git("--git-dir", str(self.place.origin(org, repo)), "fsck", "--no-dangling"):
                self.tally.fault("repositories spoilt", trouble)
        for client_id in clients:
            if trouble := self.place.git("--git-dir", str(self.place.bare(client_id)), "fsck", "--no-dangling"):
                self.tally.fault("repositories spoilt", trouble)
        self.tally.callbacks.update(
            {
                "sent": self.receiver.requests,
                "refused": self.receiver.refused,
                "sent again": self.receiver.requests - len(self.receiver.sent),
            }
        )
