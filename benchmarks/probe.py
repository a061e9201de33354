"""Requests sent only to be timed."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.http_client import API_SECRET, HttpClient
from benchmarks.run import Run
from benchmarks.sample import Json, Latency, median
from benchmarks.settings import Settings

TIME_LIMIT_S = 10
PAUSE_S = 0.005  # spreads the requests over what else the server does; back to back, all would see the same moment
WRK_SCRIPT = Path(__file__).parent / "wrk.lua"


class Probe(threading.Thread):
    """GET at a fixed rate; each latency counts from the moment the request was due, so that a stall is not hidden."""

    def __init__(self, port: int, path: str = "/health", per_second: float = 50) -> None:
        super().__init__(daemon=True)
        self.path, self.gap = path, int(1e9 / per_second)
        self.took: list[int] = []
        self._http = HttpClient(port)
        self._halt = threading.Event()

    def run(self) -> None:
        due = time.monotonic_ns()
        while not self._halt.is_set():
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            try:
                self._http.get(self.path)
            except OSError:
                return
            self.took.append(time.monotonic_ns() - due)
            due += self.gap

    def end(self) -> list[int]:
        """Stop; the nanoseconds of each answer."""
        self._halt.set()
        self.join(120)
        return self.took


def requests(
    run: Run,
    method: str,
    path: str,
    count: int,
    body: Callable[[int], Json] | None = None,
    headers: Mapping[str, str] | None = None,
) -> list[int]:
    """One request at a time; the nanoseconds of each. Stops early at the time limit, but not before five."""
    http = HttpClient(run.server.port)
    http.headers |= headers or {}
    took: list[int] = []
    end = time.monotonic() + TIME_LIMIT_S
    while len(took) < count and (len(took) < 5 or time.monotonic() < end):
        content = body(len(took)) if body else None
        time.sleep(PAUSE_S)
        begin = time.monotonic_ns()
        answer = http.request(method, path, content)
        took.append(time.monotonic_ns() - begin)
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
    http.close()
    return took


def wrk(settings: Settings, run: Run, path: str, body: Json | None = None, tag: str = "") -> Json:
    """Requests a second with wrk, median of the repetitions; empty where wrk is not installed."""
    if shutil.which("wrk") is None:
        return {}
    command = [
        "wrk",
        "-t1",
        f"-c{settings.connections}",
        f"-d{settings.wrk_s}s",
        "--timeout",
        "60s",
        "-s",
        str(WRK_SCRIPT),
    ]
    results = []
    for repetition in range(settings.reps):
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{run.server.port}{path}"],
            env={
                **os.environ,
                "RIG_AUTH": f"Bearer {API_SECRET}",
                "RIG_BODY": json.dumps(body) if body else "",
                "RIG_TAG": f"{tag}{repetition}",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        results.append(json.loads(done.stdout.strip().splitlines()[-1]))
    errors = sum(r["errors"] + r["non2xx"] for r in results)
    return {
        "req_per_s": median((r["requests"] / (r["us"] / 1e6) for r in results), 1),
        f"c{settings.connections}_p50_ms": median((r["p50_us"] / 1000 for r in results), 3),
        f"c{settings.connections}_p99_ms": median((r["p99_us"] / 1000 for r in results), 3),
        **({"errors": errors} if errors else {}),
    }


def endpoint(
    settings: Settings, run: Run, method: str, path: str, body: Callable[[int], Json] | None = None, tag: str = ""
) -> Json:
    """One endpoint by one connection, and by wrk's where it answers fast enough for wrk's few seconds."""
    latency = Latency.of(requests(run, method, path, settings.requests, body=body), 3)
    out = latency.json()
    if latency.p50 is not None and latency.p50 * settings.connections < settings.wrk_s * 500:
        template = run.job_body("@N@", exit=1) | {"osCallbackUrl": None} if body else None
        out |= wrk(settings, run, path, template, tag)
    return out


def reading_paths(job_id: str) -> dict[str, str]:
    """The endpoints that are only read, by the name they have in the tables."""
    return {"GET /jobs": "/jobs?limit=50", "GET /jobs/:id": f"/jobs/{job_id}", "GET /queue": "/queue"}
