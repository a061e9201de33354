"""A stand-in for the GitHub API, good enough for the real gh: plain HTTP on a unix socket, never the network.

    with StubGitHub(root) as stub:
        subprocess.run(["gh", "api", ...], env=stub.environ(home))

gh goes there by `http_unix_socket` of its configuration, whatever the host name. What the answers say is computed
from the bare repositories `ROOT/OWNER/NAME.git`; their wording follows the service's documentation and public reports.
"""

import contextlib
import json
import os
import shutil
import socket
import socketserver
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

from tests.real.github.faults import Fault, Faults
from tests.real.github.origins import GitError
from tests.real.github.rest import Answer, Request, Rest


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    stub: "StubGitHub"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass

    def _handle(self) -> None:
        stub = self.server.stub
        authorization = self.headers.get("Authorization") or ""
        request = Request(method=self.command, target=self.path, authorization=authorization, body=self._body())
        stub.requests.append(request)
        fault = stub.faults.pick(request.method, request.path) or Fault()
        if fault.action == "hang":
            stub.stopping.wait()
        if fault.action in ("hang", "drop"):
            return self._drop()
        if fault.status is not None:
            return self._send(Answer(fault.status, fault.body, dict(fault.headers)))
        try:
            answer = stub.rest.answer(request)
        except GitError as error:
            answer = Answer(500, {"message": f"git: {error}"})
        if fault.action == "hang_after":
            stub.stopping.wait()
        if fault.action in ("hang_after", "drop_after"):
            return self._drop()
        return self._send(answer, cut=fault.action == "truncate")

    do_GET = do_POST = do_PATCH = _handle  # noqa: N815 - the names are the base class's

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []  # gh sends what it was given on standard input in chunks
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, answer: Answer, *, cut: bool = False) -> None:
        data = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            **answer.headers,
            "Content-Length": str(len(data)),
        }
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._drop()


class StubGitHub:
    """The stub. `requests` are what was asked, in order; `faults` decides which of them go wrong."""

    def __init__(self, root: Path, host: str = "github.com", tokens: dict[str, str] | None = None) -> None:
        self.host = host
        self.rest = Rest(root, host, tokens or {"fake": "octobot"})
        self.faults = Faults()
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        # a unix socket's path holds about 107 bytes: a test's own directory may be longer
        self._folder = Path(tempfile.mkdtemp(prefix="gh"))
        self._server = _Server(str(self._folder / "s"), _Handler)
        self._server.stub = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        shutil.rmtree(self._folder)

    def environ(self, home: Path, token: str = "fake") -> dict[str, str]:
        """Write gh's configuration under `home`; return an environment in which gh asks this stub."""
        configuration = home / "gh"
        configuration.mkdir(parents=True, exist_ok=True)
        (configuration / "config.yml").write_text(f'version: "1"\nhttp_unix_socket: {self._folder / "s"}\n')
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GH_CONFIG_DIR": str(configuration)}
        if self.host == "github.com":
            return {**environ, "GH_TOKEN": token}
        return {**environ, "GH_ENTERPRISE_TOKEN": token, "GH_HOST": self.host}
