"""Requests sent only to be timed, by a small C program: the cores belong to what is measured."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import standins
from benchmarks.http_client import API_SECRET
from benchmarks.run import Run
from benchmarks.sample import Json, Latency

TIME_LIMIT_S = 10
PAUSE_US = 5000  # spreads the requests over what else the server does; back to back, all would see the same moment
RUNNING_NUMBER = "@@@@@@@@"  # becomes a number of eight digits, another one in each request
END_LIMIT_S = 30
FOREVER_S = 3600


@dataclass(frozen=True)
class Answers:
    """What came of the requests: ns in all and of each, answers other than 2xx, connections without an answer."""

    ns: int
    took: list[int]
    refused: int
    broken: int
    trouble: str

    @property
    def per_s(self) -> float:
        return round(len(self.took) / (self.ns / 1e9), 1) if self.ns else 0.0

    def all_right(self, what: str) -> "Answers":
        """The same; RuntimeError when one was refused or did not come."""
        if self.refused or self.broken:
            raise RuntimeError(f"{what}: {self.refused} refused, {self.broken} broken off: {self.trouble}")
        return self


class Load:
    """Requests that are being sent, until `end` or one of the limits."""

    def __init__(
        self,
        run: Run,
        request: bytes,
        *,
        connections: int = 1,
        count: int = 0,
        seconds: float = FOREVER_S,
        per_s: float = 0,
        pause_us: int = 0,
    ) -> None:
        numbers = (run.server.port, connections, count, seconds, per_s, pause_us)
        self._limit_s = seconds + END_LIMIT_S
        self._process = subprocess.Popen(
            [standins.program_of_load(run.work), *map(str, numbers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(request)
        self._process.stdin.close()
        self._process.stdin = None

    def done(self) -> Answers:
        """Wait for its end."""
        return self._answers(self._limit_s)

    def end(self) -> Answers:
        """End it now."""
        self._process.terminate()
        return self._answers(END_LIMIT_S)

    def _answers(self, limit_s: float) -> Answers:
        try:
            out, _ = self._process.communicate(timeout=limit_s)
        finally:
            self._process.kill()
        return Answers(**json.loads(out))


class Probe:
    """GET at a fixed rate; each latency counts from the moment the request was due, so that a stall is not hidden."""

    def __init__(self, run: Run, path: str = "/health", per_second: float = 50) -> None:
        self._load = Load(run, message("GET", path), per_s=per_second)

    def end(self) -> list[int]:
        """Stop; the nanoseconds of each answer."""
        return self._load.end().took


def message(method: str, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """A request as it is sent."""
    data = json.dumps(body).encode() if body else b""
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {API_SECRET}", **(headers or {})}
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + data


def requests(
    run: Run, method: str, path: str, count: int, body: Json | None = None, headers: Mapping[str, str] | None = None
) -> list[int]:
    """One request at a time; the nanoseconds of each. Stops early at the time limit."""
    load = Load(run, message(method, path, body, headers), count=count, seconds=TIME_LIMIT_S, pause_us=PAUSE_US)
    return load.done().all_right(f"{method} {path}").took


def rate(run: Run, method: str, path: str, connections: int, seconds: float, body: Json | None = None) -> Json:
    """Requests a second by so many connections, each with one request after the other."""
    load = Load(run, message(method, path, body), connections=connections, seconds=seconds)
    answers = load.done().all_right(f"{method} {path}")
    latency = Latency.of(answers.took, 3)
    return {"requests": len(answers.took), "req_per_s": answers.per_s, "p50_ms": latency.p50, "p99_ms": latency.p99}


def reading_paths(job_id: str) -> dict[str, str]:
    """The endpoints that are only read, by the name they have in the tables."""
    return {"GET /jobs": "/jobs?limit=50", "GET /jobs/:id": f"/jobs/{job_id}", "GET /queue": "/queue"}
