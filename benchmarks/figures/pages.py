"""The pages below /ui, with a long history in the database: how long each takes, and how much it is on the wire."""

from http.cookies import SimpleCookie
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from benchmarks.bench import Bench
from benchmarks.figures.reading import with_history
from benchmarks.http_client import API_SECRET, HttpClient
from benchmarks.probe import requests
from benchmarks.report import Outcome, Table, number
from benchmarks.run import Run
from benchmarks.sample import Latency
from benchmarks.seeder import seed

JOBS, MESSAGES = 100_000, 1_000_000
PACKED = {"Accept-Encoding": "gzip"}


def measure(bench: Bench) -> Outcome:
    with bench.run() as run:
        job_id = with_history(bench, run)
        run.server.stop()
        seed(run.database, JOBS, MESSAGES)
        run.start(warm=False)
        seeded = run.server.http.get("/jobs?limit=1&status=failed").json()["jobs"][0]
        headers = {"Cookie": _signed_in(run), **PACKED}
        data = {}
        for name, path in _paths(job_id, seeded["id"], seeded["clientId"]).items():
            latency = Latency.of(requests(run, "GET", path, bench.settings.requests, headers=headers), 3)
            data[name] = {**latency.json(), "bytes": _bytes(run, path, headers)}
    table = Table(f"Pages with {JOBS:,} finished jobs in the database", ("", "p50 ms", "p99 ms", "kB on the wire"))
    for name, found in data.items():
        cells = (number(found["p50_ms"], 1), number(found["p99_ms"], 1), number(found["bytes"] / 1000, 1))
        table.rows.append((name, *cells))
    return Outcome(data, [table])


def _paths(job_id: str, seeded_id: str, client_id: str) -> dict[str, str]:
    return {
        "overview": "/ui",
        "jobs": "/ui/jobs",
        "jobs, failed": "/ui/jobs?status=failed",
        "jobs, searched": "/ui/jobs?q=quotes+tab",
        "job": f"/ui/jobs/{job_id}",
        "job of the history": f"/ui/jobs/{seeded_id}",
        "new job": "/ui/jobs/new",
        "clients": "/ui/clients",
        "client": f"/ui/clients/{client_id}",
        "usage, 30 days": "/ui/usage",
        "GET /jobs": "/jobs?limit=50",
        "GET /jobs, searched": "/jobs?limit=50&q=quotes+tab",
        "GET /jobs, one word of one job": "/jobs?limit=50&q=77777",
        "GET /jobs of a feature": "/jobs?limit=50&featureId=none",
        "GET /jobs, made lately": "/jobs?limit=50&createdAfter=2026-01-01T00:00:00Z",
    }


def _signed_in(run: Run) -> str:
    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    origin = f"http://127.0.0.1:{run.server.port}"
    form = urlencode({"token": API_SECRET}).encode()
    try:
        build_opener(NoRedirect).open(Request(f"{origin}/ui/sign-in", form, {"Origin": origin}))
    except HTTPError as answer:
        if answer.code != 303:
            raise
        cookie = SimpleCookie(answer.headers["Set-Cookie"])
        return "; ".join(f"{name}={morsel.value}" for name, morsel in cookie.items())
    raise RuntimeError("signing in did not lead on")


def _bytes(run: Run, path: str, headers: dict[str, str]) -> int:
    http = HttpClient(run.server.port)
    http.headers |= headers
    answer = http.get(path)
    http.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return len(answer.body)
