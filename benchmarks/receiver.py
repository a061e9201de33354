"""Callback receiver: a process of its own, so that its time stamps do not wait for the rig.

    python receiver.py LOG SECRET [FAILING SEED]

Prints its port, then appends one JSON line for each delivery to LOG: t (monotonic ns at the arrival of the whole
request), k (the last part of the path), the payload's status and jobId, the delivery's id, sig (the HMAC-SHA256
of the body is right, with or without "sha256=" in front), and the answer. FAILING is the share of the requests that are
answered with 500 or 503, cut off, or answered late; a delivery that comes again is taken. Imports nothing of the rig.
"""

import asyncio
import hashlib
import hmac
import json
import os
import random
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
REFUSAL = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n"
CUT_OFF, LATE, GIVEN_UP = "cut off", "late", "given up by the sender"
LATE_S = 3.0
"""Below every sender's patience: a delivery that is answered late is delivered."""


class Moods:
    """What a delivery is answered with: its status, CUT_OFF, or LATE and then 200."""

    def __init__(self, failing: float = 0, seed: str = "") -> None:
        self.failing, self.dice = failing, random.Random(seed)
        self.known: set[str] = set()

    def answer(self, delivery: str) -> int | str:
        again = delivery in self.known
        self.known.add(delivery)
        if again or self.dice.random() >= self.failing:
            return 200
        return self.dice.choice((500, 503, CUT_OFF, LATE))


class Receiver(asyncio.Protocol):
    """One connection of a sender."""

    def __init__(self, log: int, secret: bytes, moods: Moods) -> None:
        self.log, self.secret, self.moods = log, secret, moods
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
            self.deliver(first.split(" ")[1], head, body)

    def deliver(self, path: str, head: dict[str, str], body: bytes) -> None:
        arrived = time.monotonic_ns()
        expected = hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        signature = head.get("x-agent-signature", "")
        try:
            payload = dict(json.loads(body))
        except (ValueError, TypeError):
            payload = {}
        delivery = head.get("webhook-id", "")
        answer = self.moods.answer(delivery)
        record = {
            "t": arrived,
            "k": path.rpartition("/")[2],
            "status": payload.get("status"),
            "job": payload.get("jobId"),
            "delivery": delivery,
            "sig": hmac.compare_digest(signature.rpartition("=")[2].encode(), expected.encode()),
            "answer": answer,
        }
        if answer == LATE:
            asyncio.get_running_loop().call_later(LATE_S, self.answer, record)
        else:
            self.answer(record)

    def answer(self, record: dict[str, object]) -> None:
        """Answer and note it; a sender that has not waited got nothing."""
        answer = record["answer"]
        if self.transport.is_closing():
            record["answer"] = GIVEN_UP
        os.write(self.log, json.dumps(record).encode() + b"\n")
        if answer == CUT_OFF:
            self.transport.abort()
        else:
            self.transport.write(ANSWER if answer in (200, LATE) else REFUSAL % answer)


def unchunked(raw: bytes) -> bytes:
    body = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        body, raw = body + raw[:length], raw[length + 2 :]
    return body


async def main(path: str, secret: bytes, moods: Moods) -> None:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(log, secret, moods), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    failing, seed = sys.argv[3:] or (0, "")
    asyncio.run(main(sys.argv[1], sys.argv[2].encode(), Moods(float(failing), str(seed))))
