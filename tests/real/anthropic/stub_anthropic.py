"""A stand-in for the Anthropic Messages API, good enough for the real claude CLI: plain HTTP on loopback.

    with StubAnthropic() as stub:
        prompt = stub.prompt(writes("hello.txt", "hello"), says("All done."))
        subprocess.run(["claude", "-p"], input=prompt, env={"ANTHROPIC_BASE_URL": stub.url, ...})

A prompt made by the stub names its script, so that any number of conversations go on beside each other. A script is
used up turn by turn, also across the runs of a session that is resumed.
"""

import json
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.real.anthropic.asked import Asked, script_in, script_marker
from tests.real.anthropic.turns import Turn, fails, says
from tests.real.anthropic.wire import events, message


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a turn may still wait for something that never comes
    request_queue_size = 128
    stub: "StubAnthropic"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a defect, but not a CLI that was ended in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass

    def _handle(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(data or b"{}")
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(path=self.path.partition("?")[0], headers=headers, body=body)
        turn = self.server.stub.take(asked)
        if turn.before is not None:
            turn.before()
        if turn.status != 200:
            self._send(turn.status, {"type": "error", "error": turn.error}, turn.headers)
            return
        whole = message(turn, body.get("model", ""), asked.cwd)
        if body.get("stream"):
            self._stream(whole, turn)
        else:
            self._send(200, whole, turn.headers)

    do_GET = do_HEAD = do_POST = _handle  # noqa: N815 - the names are the base class's

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status: int, value: object, headers: Any) -> None:
        data = json.dumps(value).encode()
        own = {"content-type": "application/json", "content-length": str(len(data))}
        self._begin(status, {**own, **headers})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _stream(self, whole: dict[str, Any], turn: Turn) -> None:
        own = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        self._begin(200, {**own, **turn.headers})
        for event in (*events(whole), ""):
            data = event.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


class StubAnthropic:
    """The stub. `asked` are the requests that arrived, in order; `outage`, while it is set, answers all of them."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.outage: Turn | None = None
        self._scripts: list[deque[Turn]] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stub = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def prompt(self, *turns: Turn, text: str = "Do the work.") -> str:
        """Return a prompt whose conversation is answered by these turns."""
        with self._lock:
            self._scripts.append(deque(turns))
            return f"{text} {script_marker(len(self._scripts) - 1)}"

    def main_requests(self) -> list[Asked]:
        """Return the requests that carried a conversation on."""
        return [asked for asked in self.asked if asked.path == "/v1/messages" and asked.is_main]

    def sessions(self, prompt: str) -> set[str]:
        """Return the ids of the sessions that the prompt's conversation was held in."""
        return {asked.session for asked in self.main_requests() if asked.script == script_in(prompt)}

    def take(self, asked: Asked) -> Turn:
        """Note the request and return its answer."""
        with self._lock:
            self.asked.append(asked)
            if asked.path != "/v1/messages":
                return fails(404, "not_found_error", "not here")
            if self.outage is not None:
                return self.outage
            if not asked.is_main:
                return says("ok")
            script = deque[Turn]() if asked.script is None else self._scripts[asked.script]
            return script.popleft() if script else fails(400, "invalid_request_error", "the script is over")
