"""Pull requests as the service keeps them, with its rules for opening one and its words for refusing."""

import json
import threading
from typing import Any

from attrs import define, field

from tests.real.github.origins import Origin

Json = dict[str, Any]


@define(kw_only=True)
class Pull:
    number: int
    title: str
    body: str
    head: str
    base: str
    author: str
    head_sha: str
    base_sha: str
    state: str = "open"
    draft: bool = False
    labels: list[str] = field(factory=list)
    reviewers: list[str] = field(factory=list)
    teams: list[str] = field(factory=list)
    reviews: list[str] = field(factory=list)
    """The logins of those who gave one."""


class Invalid(Exception):
    """The service answers 422 with these errors."""

    def __init__(self, *errors: Json, message: str = "Validation Failed") -> None:
        super().__init__(message)
        self.body: Json = {"message": message, "errors": list(errors), "status": "422"}


@define
class HostedRepository:
    """A repository of the service: an origin and its pull requests. Hold `lock` while using it."""

    owner: str
    name: str
    host: str
    origin: Origin
    pulls: list[Pull] = field(factory=list)
    drafts: bool = True
    """Whether its plan has them."""
    collaborators: set[str] = field(factory=lambda: {"octocat", "hubot"})
    teams: set[str] = field(factory=lambda: {"web"})
    lock: threading.RLock = field(factory=threading.RLock)

    def pull(self, number: int) -> Pull | None:
        return next((pull for pull in self.pulls if pull.number == number), None)

    def open_pull(self, data: Json, author: str) -> Pull:
        """Open a pull request. Raises Invalid."""
        for name in ("head", "base"):
            if not data.get(name):
                raise Invalid(message=f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        for name in ("title", "body", "head", "base"):
            if not isinstance(data.get(name) or "", str):
                raise Invalid(message=f"Invalid request.\n\nFor '{name}', {json.dumps(data[name])} is not a string.")
        if not data.get("title"):
            raise Invalid({"resource": "PullRequest", "code": "missing_field", "field": "title"})
        if data.get("draft") and not self.drafts:
            raise Invalid(message="Draft pull requests are not supported in this repository.")
        head, head_sha, base_sha = self._ends(data["head"], data["base"])
        for name, longest in (("title", 256), ("body", 65536)):
            if len(data.get(name) or "") > longest:
                message = f"{name} is too long (maximum is {longest} characters)"
                raise Invalid({"resource": "Issue", "code": "custom", "field": name, "message": message})
        pull = Pull(
            number=len(self.pulls) + 1,
            title=data["title"],
            body=data.get("body") or "",
            head=head,
            base=data["base"],
            author=author,
            head_sha=head_sha,
            base_sha=base_sha,
            draft=bool(data.get("draft")),
        )
        self.pulls.append(pull)
        return pull

    def label(self, pull: Pull, data: Json) -> list[Json]:
        """Add labels, which are made where they are missing. Raises Invalid, and adds none then."""
        for name in data["labels"]:
            if not name or len(name) > 50:
                raise Invalid({"resource": "Label", "code": "invalid", "field": "name"})
        known = {name.lower() for name in pull.labels}
        pull.labels += [name for name in data["labels"] if name.lower() not in known]
        return [{"name": name} for name in pull.labels]

    def ask(self, pull: Pull, data: Json) -> None:
        """Ask for reviews. Raises Invalid, and asks nobody then."""
        people, teams = data.get("reviewers", []), data.get("team_reviewers", [])
        if pull.author in people:
            raise Invalid(message="Review cannot be requested from pull request author.")
        if not self.collaborators >= {*people} or not self.teams >= {*teams}:
            raise Invalid(
                message="Reviews may only be requested from collaborators. One or more of the users or teams you "
                f"specified is not a collaborator of the {self.owner}/{self.name} repository."
            )
        pull.reviewers += [name for name in people if name not in pull.reviewers]
        pull.teams += [name for name in teams if name not in pull.teams]

    def _ends(self, head: str, base: str) -> tuple[str, str, str]:
        owner, _, branch = head.rpartition(":")
        head_sha = None if owner and owner.lower() != self.owner.lower() else self.origin.sha(branch)
        base_sha = self.origin.sha(base)
        if base_sha is None:
            raise Invalid({"resource": "PullRequest", "field": "base", "code": "invalid"})
        if head_sha is None:
            raise Invalid({"resource": "PullRequest", "field": "head", "code": "invalid"})
        problem = None
        if not self.origin.git("merge-base", base_sha, head_sha, check=False):
            problem = f"The {branch} branch has no history in common with {base}"
        elif not self.origin.ahead(base_sha, head_sha):
            problem = f"No commits between {base} and {branch}"
        elif any((p.state, p.head, p.base) == ("open", branch, base) for p in self.pulls):
            problem = f"A pull request already exists for {self.owner}:{branch}."
        if problem:
            raise Invalid({"resource": "PullRequest", "code": "custom", "message": problem})
        return branch, head_sha, base_sha

    def listed(self, query: dict[str, str]) -> list[Pull]:
        """List pull requests, newest first. As at the service, `head` counts only in the form OWNER:BRANCH."""
        state, head, base = query.get("state", "open"), query.get("head", ""), query.get("base")
        return [
            pull
            for pull in reversed(self.pulls)
            if state in ("all", pull.state)
            and (":" not in head or head.lower() == f"{self.owner}:{pull.head}".lower())
            and base in (None, pull.base)
        ]

    def changed_files(self, pull: Pull) -> list[str]:
        self._refresh(pull)
        return self.origin.changed_files(pull.base_sha, pull.head_sha)

    def shown(self, pull: Pull, *, full: bool) -> Json:
        """Show a pull request as the API does; lists leave the counts out."""
        self._refresh(pull)
        out: Json = {
            "id": pull.number,
            "number": pull.number,
            "html_url": f"https://{self.host}/{self.owner}/{self.name}/pull/{pull.number}",
            "state": pull.state,
            "draft": pull.draft,
            "labels": [{"name": name} for name in pull.labels],
            "requested_reviewers": [{"login": login} for login in pull.reviewers],
            "requested_teams": [{"slug": slug} for slug in pull.teams],
            "title": pull.title,
            "body": pull.body,
            "user": {"login": pull.author},
            "head": {"label": f"{self.owner}:{pull.head}", "ref": pull.head, "sha": pull.head_sha},
            "base": {"label": f"{self.owner}:{pull.base}", "ref": pull.base, "sha": pull.base_sha},
        }
        if full:
            out["changed_files"] = len(self.changed_files(pull))
            out["commits"] = self.origin.ahead(pull.base_sha, pull.head_sha)
        return out

    def _refresh(self, pull: Pull) -> None:
        if pull.state == "open":
            pull.head_sha = self.origin.sha(pull.head) or pull.head_sha
            pull.base_sha = self.origin.sha(pull.base) or pull.base_sha
