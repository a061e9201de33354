"""A keep-alive HTTP/1.1 client on a blocking socket: it adds little of its own to a latency."""

import contextlib
import json
import socket
from typing import Any, NamedTuple

API_SECRET = "rig-api-secret-of-the-benchmarks"


class Answer(NamedTuple):
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class HttpClient:
    """One connection to one port of this machine. A connection the server has closed in between is opened again."""

    def __init__(self, port: int, timeout: float = 120) -> None:
        self.port, self.timeout = port, timeout
        self.headers = {"Authorization": f"Bearer {API_SECRET}"}
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Raises OSError when the server cannot be reached or hangs up in the middle."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{k}: {v}" for k, v in self.headers.items()), ""]
        head = "\r\n".join(lines)
        data = b""
        if body is not None:
            data = json.dumps(body).encode()
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        message = head.encode() + b"\r\n" + data
        if self._socket is not None:
            with contextlib.suppress(OSError):
                return self._exchange(message)
            self.close()
        try:
            return self._exchange(message)
        except OSError:
            self.close()
            raise

    def _exchange(self, message: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            buffer += self._more()
        head, _, rest = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        if fields.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks(rest)
        else:
            body = self._counted(rest, int(fields.get("content-length", "0")))
        if fields.get("connection", "").lower() == "close":
            self.close()
        return Answer(int(first.split(" ")[1]), body)

    def _counted(self, begin: bytes, length: int) -> bytes:
        parts, have = [begin], len(begin)
        while have < length:
            parts.append(self._more())
            have += len(parts[-1])
        return b"".join(parts)

    def _chunks(self, rest: bytes) -> bytes:
        out: list[bytes] = []
        while True:
            while b"\r\n" not in rest:
                rest += self._more()
            size, _, rest = rest.partition(b"\r\n")
            length = int(size.split(b";")[0], 16)
            while len(rest) < length + 2:
                rest += self._more()
            if not length:
                return b"".join(out)
            out.append(rest[:length])
            rest = rest[length + 2 :]

    def _more(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("closed by the server")
        return data


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
