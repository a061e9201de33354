"""Callback receiver: a process of its own, so that its time stamps do not wait for the rig.

    python receiver.py LOG SECRET

Prints its port, then appends one JSON line for each delivery to LOG: t (monotonic ns at the arrival of the whole
request), k (the last part of the path), the status of the payload, sig (the HMAC-SHA256 of the body is right, with or
without "sha256=" in front). Imports nothing of the rig.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Receiver(asyncio.Protocol):
    """One connection of a sender."""

    def __init__(self, log: int, secret: bytes) -> None:
        self.log, self.secret = log, secret
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            head = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            rest = self.buffer[end + 4 :]
            if head.get("transfer-encoding", "").lower() == "chunked":
                stop = rest.find(b"0\r\n\r\n")
                if stop < 0:
                    return
                body, self.buffer = unchunked(rest[:stop]), rest[stop + 5 :]
            else:
                length = int(head.get("content-length", "0"))
                if len(rest) < length:
                    return
                body, self.buffer = rest[:length], rest[length:]
            self.deliver(first.split(" ")[1], head.get("x-agent-signature", ""), body)

    def deliver(self, path: str, signature: str, body: bytes) -> None:
        arrived = time.monotonic_ns()
        expected = hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        try:
            status = json.loads(body).get("status")
        except (ValueError, AttributeError):
            status = None
        record = {
            "t": arrived,
            "k": path.rpartition("/")[2],
            "status": status,
            "sig": hmac.compare_digest(signature.rpartition("=")[2].encode(), expected.encode()),
        }
        os.write(self.log, json.dumps(record).encode() + b"\n")
        self.transport.write(ANSWER)


def unchunked(raw: bytes) -> bytes:
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        body, raw = body + raw[:length], raw[length + 2 :]
    return body


async def main(path: str, secret: bytes) -> None:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(log, secret), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2].encode()))
