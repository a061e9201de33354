"""The part of the REST API that pull requests need: a request in, status, body and headers out."""

import json
import re
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import field, frozen

from tests.real.github.origins import Origin
from tests.real.github.pulls import HostedRepository, Invalid, Pull


@frozen(kw_only=True)
class Request:
    method: str
    target: str
    authorization: str = ""
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without the prefix that an Enterprise server has."""
        return re.sub(r"^/api/v3(?=/|$)", "", urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@frozen
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(factory=dict)


_NOT_FOUND = Answer(404, {"message": "Not Found", "status": "404"})


class Rest:
    """The service: repositories below `root`, and the tokens it knows, each with its user's login."""

    def __init__(self, root: Path, host: str, tokens: dict[str, str]) -> None:
        self._root = root
        self._host = host
        self._tokens = tokens
        self._repositories: dict[str, HostedRepository] = {}
        self._lock = Lock()

    def repository(self, owner: str, name: str) -> HostedRepository | None:
        """Return the repository, in any letter case of its name."""
        path = self._root / owner / f"{name}.git"
        with self._lock:
            key = f"{owner}/{name}".lower()
            if key not in self._repositories and re.fullmatch(r"[\w.-]+/[\w.-]+", key) and path.is_dir():
                self._repositories[key] = HostedRepository(owner, name, self._host, Origin(path))
            return self._repositories.get(key)

    def answer(self, request: Request) -> Answer:
        token = request.authorization.partition(" ")[2].strip()
        login = self._tokens.get(token)
        if login is None:
            return Answer(401, {"message": "Bad credentials" if token else "Requires authentication", "status": "401"})
        if request.path == "/user":
            return Answer(200, {"login": login, "id": 1, "type": "User"})
        found = re.fullmatch(r"/repos/([^/]+)/([^/]+)(/.*)?", request.path)
        repository = self.repository(found[1], found[2]) if found else None
        if found is None or repository is None:
            return _NOT_FOUND
        with repository.lock:
            try:
                return self._in_repository(repository, found[3] or "", request, login)
            except Invalid as refusal:
                return Answer(422, refusal.body)

    def _in_repository(self, repository: HostedRepository, path: str, request: Request, login: str) -> Answer:
        match request.method, path:
            case "GET", "":
                name = f"{repository.owner}/{repository.name}"
                return Answer(200, {"full_name": name, "default_branch": "main", "permissions": {"push": True}})
            case "GET", "/pulls":
                rows = repository.listed(request.query)
                return self._page(request, [repository.shown(pull, full=False) for pull in rows])
            case "POST", "/pulls":
                pull = repository.open_pull(json.loads(request.body), login)
                return Answer(201, repository.shown(pull, full=True))
        found = re.fullmatch(r"/(pulls|issues)/(\d+)(/\w+)?", path)
        one = repository.pull(int(found[2])) if found else None
        if found is None or one is None:
            return _NOT_FOUND
        if found[1] == "issues":
            labels = (request.method, found[3]) == ("POST", "/labels")
            return Answer(200, repository.label(one, json.loads(request.body))) if labels else _NOT_FOUND
        return self._of_pull(repository, one, found[3] or "", request)

    def _of_pull(self, repository: HostedRepository, pull: Pull, path: str, request: Request) -> Answer:
        match request.method, path:
            case "GET", "/files":
                return self._page(request, [{"filename": name} for name in repository.changed_files(pull)])
            case "PATCH", "":
                data = json.loads(request.body)
                pull.title, pull.body = data.get("title", pull.title), data.get("body", pull.body)
                pull.state = data.get("state", pull.state)
                return Answer(200, repository.shown(pull, full=True))
            case "GET", "":
                return Answer(200, repository.shown(pull, full=True))
            case "GET", "/reviews":
                return self._page(request, [{"user": {"login": login}} for login in pull.reviews])
            case "POST", "/requested_reviewers":
                repository.ask(pull, json.loads(request.body))
                return Answer(201, repository.shown(pull, full=False))
        return _NOT_FOUND

    def _page(self, request: Request, rows: list[Any]) -> Answer:
        size = min(100, int(request.query.get("per_page", 30)))
        page = int(request.query.get("page", 1))
        headers = {}
        if page * size < len(rows):
            more = urlencode({**request.query, "page": page + 1})
            headers["Link"] = f'<https://api.{self._host}{urlsplit(request.target).path}?{more}>; rel="next"'
        return Answer(200, rows[(page - 1) * size : page * size], headers)
