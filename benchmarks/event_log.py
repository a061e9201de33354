"""The logs that the stand-in agent and the callback receiver write, read while they grow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sample import Json


class EventLog:
    """A growing file of JSON lines; each reading goes on where the last one ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset, self._rest = 0, b""

    def news(self) -> Iterator[Json]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from (json.loads(line) for line in lines)


@dataclass
class AgentRun:
    """One agent: when its process began and ended (monotonic ns), and how often it was started for the same job."""

    started: int
    ended: int | None = None
    starts: int = 1


class AgentLog:
    """What the stand-in agents did, by the key of their job."""

    def __init__(self, path: Path) -> None:
        self._log = EventLog(path)
        self._runs: dict[int, AgentRun] = {}

    def runs(self) -> dict[int, AgentRun]:
        for event in self._log.news():
            key = event.get("k", -1)
            if event["ev"] == "start" and key in self._runs:
                self._runs[key].starts += 1
            elif event["ev"] == "start":
                self._runs[key] = AgentRun(event["t"])
            elif event["ev"] == "exit" and key in self._runs:
                self._runs[key].ended = event["t"]
        self._runs.pop(-1, None)  # the shell floor's agents
        return self._runs


@dataclass(frozen=True)
class Callback:
    """A callback as it arrived: monotonic ns, the payload's status, and whether the signature is right."""

    at: int
    status: str | None
    signature_right: bool


class CallbackLog:
    """The callbacks that arrived, by the key of their job."""

    def __init__(self, path: Path) -> None:
        self._log = EventLog(path)
        self._received: dict[int, list[Callback]] = {}

    def received(self) -> dict[int, list[Callback]]:
        for event in self._log.news():
            arrived = Callback(event["t"], event["status"], event["sig"])
            self._received.setdefault(int(event["k"]), []).append(arrived)
        return self._received
