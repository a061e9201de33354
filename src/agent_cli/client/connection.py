"""The connection to a running server: where it is, what opens it, and what is said when it fails."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aiohttp
import click
from attrs import field, frozen

from agent_cli.client.output import say
from agent_cli.client.text import plain
from agent_cli.env_file import env_path, environment

Query = Sequence[tuple[str, str]]
DEFAULT_PORT = "3456"
_CONNECT, _READ = 10.0, 900.0  # the first job of a repository waits for its clone
_TRIES = 100
_LAST = "last"


class WrongSetting(click.ClickException):
    """What the command needs to find a server, or to be let in, is missing or wrong. Ends the command with 2."""

    exit_code = 2


class NoServer(click.ClickException):
    """Nothing answers there."""


class ConnectionLost(click.ClickException):
    """The answer did not come, or not whole; whether the request was heard is not known."""


class Refused(click.ClickException):
    """The server said no, in its own words."""

    def __init__(self, sentence: str, status: int, code: str = "", retry_after: float = 1.0) -> None:
        super().__init__(plain(sentence))
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be answered in a while."""
        return self.status >= 500 or self.status == 429


@frozen
class Server:
    """A server and the token for it. Every method raises NoServer, ConnectionLost and Refused."""

    url: str
    token: str = field(repr=False)
    token_is_from: str = ""

    @classmethod
    def of(cls, url: str | None, environ: Mapping[str, str]) -> Self:
        """Find the server by its URL, or by the environment and the env file. Raises WrongSetting and EnvFileError."""
        settings = environment(environ)
        port = settings.get("PORT") or DEFAULT_PORT
        found = (url or settings.get("AGENT_SERVER_URL") or f"http://127.0.0.1:{port}").rstrip("/")
        try:
            parts = urlsplit(found)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            valid = valid and found.isprintable()
        except ValueError:
            valid = False
        if not valid or parts.username is not None or parts.query or parts.fragment:
            shown = re.sub(r"//[^/]*@", "//…@", plain(found))  # a password may stand there
            raise WrongSetting(f"{shown} is not the URL of a server: it looks like https://host:3456")
        for name in ("AGENT_TOKEN", "AGENT_API_SECRET"):
            if token := (settings.get(name) or "").strip():
                if not (token.isascii() and token.isprintable()):
                    raise WrongSetting(f"{name} has characters that no token has")
                return cls(found, token, name)
        raise WrongSetting(
            f"There is no token for {found}: set AGENT_TOKEN (or AGENT_API_SECRET) in the environment or in "
            f"{env_path(environ)}"
        )

    def ask(self, method: str, path: str, *, query: Query = (), body: Any = None, once: bool = False) -> Any:
        """Send a request and return the JSON of the answer.

        With `once` it is sent again after a lost connection, with a key by which the server does it once only.
        """
        return self._parsed(self.read(method, path, query=query, body=body, once=once))

    def read(
        self, method: str, path: str, *, query: Query = (), body: Any = None, once: bool = False, accept: str = ""
    ) -> bytes:
        """Send a request like `ask` and return the bytes of the answer."""

        async def alone() -> bytes:
            async with self.session() as session:
                return await self._sent(session, method, path, query, body, str(uuid4()) if once else None, accept)

        return asyncio.run(alone())

    async def get(self, session: aiohttp.ClientSession, path: str, query: Query = ()) -> Any:
        """Return the JSON of a GET, within a session."""
        return self._parsed(await self._sent(session, "GET", path, query))

    @asynccontextmanager
    async def session(self, silence: float = _READ) -> AsyncIterator[aiohttp.ClientSession]:
        """Open a session that gives a connection up after so many seconds of silence."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=silence)
        headers = {"Authorization": f"Bearer {self.token}"}
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
            yield session

    def client_id(self, given: str) -> str:
        """Find a client by its id, its name, its repository or `org/repo`. Raises ClickException for none or many."""
        clients = self.ask("GET", "/clients")["clients"]
        if any(client["id"] == given for client in clients):
            return given
        wanted = given.casefold()
        found = [client["id"] for client in clients if wanted in _names(client)]
        if len(found) == 1:
            return str(found[0])
        if found:
            raise click.ClickException(f"{given} may be any of {', '.join(found)}: give the id")
        raise click.ClickException(f"There is no client {given}: `agent-server clients` lists them")

    def job_id(self, given: str) -> str:
        """Return the id of the newest job for `last`, else what was given. Raises ClickException without any job."""
        if given != _LAST:
            return given
        newest = self.ask("GET", "/jobs", query=[("limit", "1")])["jobs"]
        if not newest:
            raise click.ClickException("There is no job yet")
        return str(newest[0]["id"])

    def trouble(self, problem: Exception) -> click.ClickException:
        """Say what a problem of the connection means."""
        if isinstance(problem, aiohttp.ClientSSLError):
            return NoServer(f"No safe connection to {self.url}: {plain(str(problem))}")
        if isinstance(problem, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return NoServer(f"No server answers at {self.url}: is it running? `agent-server doctor`")
        return ConnectionLost(f"The connection to {self.url} was lost ({plain(str(problem)) or 'silence'})")

    async def refusal(self, response: aiohttp.ClientResponse) -> Refused:
        """Say why the answer is not a success."""
        try:
            told = json.loads(await response.read())
            sentence, code = str(told["error"]), str(told.get("code", ""))
        except (ValueError, KeyError, TypeError):
            sentence, code = f"{self.url} answered {response.status} {response.reason or ''}: no agent-server?", ""
        if response.status == 401:
            sentence = f"{self.url} does not accept the token in {self.token_is_from}"
        later = response.headers.get("Retry-After", "")
        return Refused(sentence, response.status, code, float(later) if later.isdecimal() else 1.0)

    async def _sent(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        query: Query = (),
        body: Any = None,
        key: str | None = None,
        accept: str = "",
    ) -> bytes:
        headers = {"Accept": accept or "application/json"} | ({"Idempotency-Key": key} if key else {})
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        try:
            return await self._answer(session, method, path, query, headers, content)
        except ConnectionLost as lost:
            if key is None:
                raise
            say(f"{lost.message}: sending the request again")
        for tries in range(_TRIES, 0, -1):
            try:
                return await self._answer(session, method, path, query, headers, content)
            except Refused as refused:  # the first request is still at work: its answer will come to this one
                if refused.code != "idempotency_in_progress" or tries == 1:
                    raise
                await asyncio.sleep(refused.retry_after)
        raise AssertionError

    def _parsed(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError:
            raise click.ClickException(f"{self.url} answered something that is no JSON: no agent-server?") from None

    async def _answer(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        query: Query,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> bytes:
        try:
            async with session.request(
                method, self.url + path, params=query, headers=headers, data=content, allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raise await self.refusal(response)
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise self.trouble(problem) from None


def job_path(job_id: str) -> str:
    """Return the path of a job."""
    return f"/jobs/{quote(job_id, safe='')}"


def client_path(client_id: str) -> str:
    """Return the path of a client."""
    return f"/clients/{quote(client_id, safe='')}"


def _names(client: Mapping[str, Any]) -> set[str]:
    org, repo = client["githubOrg"].casefold(), client["githubRepo"].casefold()
    return {client["name"].casefold(), repo, f"{org}/{repo}"}
