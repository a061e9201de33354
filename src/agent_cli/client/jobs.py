"""`agent-server jobs`, `show` and `diff`: what there is to read about jobs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from agent_cli.client.moments import age, local, moment, span
from agent_cli.client.options import as_json, as_query, chosen, job_filter, on_server
from agent_cli.client.output import STATUS_COLOURS, painted, room, say, write, write_content, write_json
from agent_cli.client.table import fields, table
from agent_cli.client.text import plain_lines

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

_PAGE = 200
_UNASKED = {"expectChanges": True, "notifyHeld": False}
_HEADINGS = ("ID", "STATUS", "CLIENT", "BRANCH", "TITLE", "AGE")


@click.command()
@job_filter
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@as_json
@on_server
def jobs(server: "Server", /, limit: int, *, as_json: bool, **filters: Any) -> None:
    """List jobs, newest first."""
    query = as_query(chosen(server, filters))
    found: list[dict[str, Any]] = []
    while True:
        step = [("limit", str(min(_PAGE, limit - len(found)))), ("offset", str(len(found)))]
        page = server.ask("GET", "/jobs", query=[*query, *step])
        found += page["jobs"]
        total = page["total"]
        if len(found) >= min(limit, total) or not page["jobs"]:
            break
    if as_json:
        write_json({"jobs": found, "total": total})
        return
    rows = [
        (
            job["id"],
            job["status"],
            job["clientName"],
            job["branchName"],
            job["title"] or "",
            age(moment(job["createdAt"])),
        )
        for job in found
    ]
    head, *lines = table(_HEADINGS, rows, room())
    write([painted(head, bold=True)])
    write(
        line.replace(job["status"], painted(job["status"], fg=STATUS_COLOURS.get(job["status"])), 1)
        for line, job in zip(lines, found, strict=True)
    )
    if total > len(found):
        say(f"{len(found)} of {total} jobs: --limit shows more")


@click.command()
@click.argument("job", metavar="ID")
@as_json
@on_server
def show(server: "Server", /, job: str, *, as_json: bool) -> None:
    """Show all about a job; the ID `last` is the newest one."""
    from agent_cli.client.connection import job_path

    shown = server.ask("GET", job_path(server.job_id(job)))
    if as_json:
        write_json(shown)
        return
    write(fields(_details(shown)))
    for heading, text in (("Prompt", shown["prompt"]), ("The agent's last words", shown["resultText"])):
        if text:
            write(["", painted(heading, bold=True), *(f"  {line}" for line in plain_lines(text))])


@click.command()
@click.argument("job", metavar="ID")
@as_json
@on_server
def diff(server: "Server", /, job: str, *, as_json: bool) -> None:
    """Write a job's work as `git apply` takes it, also while it runs; the ID `last` is the newest one."""
    from agent_cli.client.connection import job_path

    found = server.job_id(job)
    content = server.read("GET", f"{job_path(found)}/diff", accept="text/x-diff")
    if as_json:
        write_json({"id": found, "text": content.decode(errors="surrogateescape")})
    else:
        write_content(content)


def _details(job: Mapping[str, Any]) -> list[tuple[str, object]]:
    client, tags = job["client"], job.get("tags") or {}
    status = job["status"] if job["state"] == job["status"] else f"{job['status']} ({job['state']})"
    tokens = f"{job['inputTokens']:,} in, {job['outputTokens']:,} out" if job["inputTokens"] is not None else None
    return [
        ("Job", job["id"]),
        ("Status", status),
        ("Error", f"{job['error']} ({job['errorCode']})" if job["error"] else None),
        ("Held", f"{job['heldReason']}, until {local(job['heldUntil']) or 'lifted'}" if job["heldReason"] else None),
        ("Title", job["title"]),
        ("Client", f"{client['name']} ({client['githubOrg']}/{client['githubRepo']})"),
        ("Branch", job["branchName"]),
        ("Pull request", job["prUrl"]),
        ("Commit", job["commitSha"]),
        ("Files changed", job["filesChanged"]),
        ("Kept work", job["keptRef"]),
        ("Feature", job["osFeatureId"]),
        ("Tags", ", ".join(f"{key}={value}" for key, value in tags.items())),
        ("Priority", job["priority"] or None),
        ("Asked for", ", ".join(f"{key}={value}" for key, value in job["options"].items() if _is_wish(key, value))),
        ("Not before", local(job["notBefore"])),
        ("Made", local(job["createdAt"])),
        ("Started", local(job["startedAt"])),
        ("Ended", local(job["completedAt"])),
        (
            "Took",
            f"{span(job['runMs'] / 1000)}, of it the agent {span(job['agentMs'] / 1000)}" if job["runMs"] else None,
        ),
        ("Model", job["model"]),
        ("Turns", job["numTurns"]),
        ("Tokens", tokens),
        ("Cost", f"${job['costUsd']:.2f}" if job["costUsd"] is not None else None),
        ("Session", job["sessionId"]),
        ("Worktree", job["worktreePath"] if job["status"] == "running" else None),
        ("Callback", job["osCallbackUrl"]),
        ("Goes on from", job["followUpOf"]),
        ("Made of", job["originalJobId"] if not job["followUpOf"] else None),
        ("Chain", " ".join(job["chain"]) if len(job["chain"]) > 1 else None),
    ]


def _is_wish(key: str, value: object) -> bool:
    return value is not None and value is not _UNASKED.get(key)
