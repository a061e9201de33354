"""Readers of event streams: a process of their own, so that what they cost stays out of the rig's time stamps.

    python listeners.py PORT TOKEN PATH...

Opens one stream for each path and prints a line when all of them have begun. Given the id of a job on its standard
input, it reads until every stream of all events has told that job's end, for ten seconds at most, and prints one JSON
line: for each path in turn the ids of its events in the order they came, and the jobs whose end was among them.
Imports nothing of the rig.
"""

import json
import re
import selectors
import socket
import sys
import time
from typing import Any

EVENT = re.compile(rb"id: (\d+)\nevent: \w+\ndata: (.*)\n")
"""No event is cut by the framing of the transfer: the server writes whole ones."""


Streams = dict[socket.socket, bytearray]


def main(port: int, token: str, paths: list[str]) -> None:
    selector = selectors.DefaultSelector()
    streams: Streams = {}
    for path in paths:
        stream = socket.create_connection(("127.0.0.1", port))
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        stream.setblocking(False)
        streams[stream] = bytearray()
        selector.register(stream, selectors.EVENT_READ)
    while not all(b"retry: " in received for received in streams.values()):
        read(selector, streams)
    print("open", flush=True)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while not read(selector, streams):
        pass
    last = re.compile(rb'"jobId": "%s", "clientId": "[^"]*", "status": "completed"' % input().encode())
    of_all = [received for path, received in zip(paths, streams.values(), strict=True) if path == "/events"]
    give_up = time.monotonic() + 10
    while not all(map(last.search, of_all)) and time.monotonic() < give_up:
        read(selector, streams)
    print(json.dumps([summary(bytes(received)) for received in streams.values()]), flush=True)


def read(selector: selectors.BaseSelector, streams: Streams) -> bool:
    """Take what has come; True: there is something on the standard input."""
    asked = False
    for key, _ in selector.select(1):
        stream = key.fileobj
        if not isinstance(stream, socket.socket):
            asked = True
        elif data := stream.recv(1 << 16):
            streams[stream] += data
        else:
            selector.unregister(stream)
    return asked


def summary(received: bytes) -> dict[str, Any]:
    events = [(int(seq), json.loads(data)) for seq, data in EVENT.findall(received)]
    over = [data["jobId"] for _, data in events if data.get("status") == "completed"]
    return {"ids": [seq for seq, _ in events], "over": over}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
