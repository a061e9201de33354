"""`agent-server cancel` and `retry`: of single jobs, and of all that match."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from agent_cli.client.options import as_json, as_query, chosen, job_filter, on_server
from agent_cli.client.output import say, write_json

if TYPE_CHECKING:
    from agent_cli.client.connection import Server

yes = click.option("--yes", "-y", is_flag=True, help="Do not ask before doing it to all that match.")


@click.command()
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@job_filter
@yes
@as_json
@on_server
def cancel(server: "Server", /, jobs: tuple[str, ...], *, yes: bool, as_json: bool, **filters: Any) -> int:
    """Cancel jobs by their ids, or all that match and are queued or running.

    The ids of those that are cancelled stand on stdout. Exit codes: 0 done, 1 not with all of them.
    """
    return _done(server, "cancel", jobs, filters, ("queued", "running"), yes=yes, as_json=as_json)


@click.command()
@click.argument("jobs", nargs=-1, metavar="[ID]...")
@job_filter
@yes
@as_json
@on_server
def retry(server: "Server", /, jobs: tuple[str, ...], *, yes: bool, as_json: bool, **filters: Any) -> int:
    """Queue finished jobs anew by their ids, or all that match and are failed or cancelled.

    Of those that match, jobs that have a later job already (a retry, a follow-up, a publication) are left out. The
    ids of the new jobs stand on stdout. Exit codes: 0 done, 1 not with all of them.
    """
    return _done(server, "retry", jobs, filters, ("failed", "cancelled"), yes=yes, as_json=as_json)


def _done(
    server: "Server",
    verb: str,
    jobs: Sequence[str],
    filters: Mapping[str, Any],
    usual: Sequence[str],
    *,
    yes: bool,
    as_json: bool,
) -> int:
    if bool(jobs) == any(filters.values()):
        raise click.UsageError("Give the ids of jobs, or options that choose them, not both")
    if jobs:
        outcome = _each(server, verb, jobs)
    else:
        choice = chosen(server, filters)
        if not (yes or _agreed(server, verb, choice, usual)):
            say("Nothing was done")
            return 1
        outcome = _all(server, verb, choice)
    if as_json:
        write_json(outcome)
    for job in outcome["jobs"] if not as_json else ():
        click.echo(job["id"])
    for job in outcome["failed"]:
        say(f"{job['id']}: {job['error']}")
    if outcome["more"]:
        say("More jobs match: repeat the command")
    return 1 if outcome["failed"] else 0


def _each(server: "Server", /, verb: str, jobs: Sequence[str]) -> dict[str, Any]:
    from agent_cli.client.connection import Refused, job_path

    done, failed = [], []
    for job in jobs:
        try:
            done.append(server.ask("POST", f"{job_path(job)}/{verb}", once=verb == "retry"))
        except Refused as refused:
            if refused.status in (401, 403):
                raise
            failed.append({"id": job, "error": refused.message, "code": refused.code})
    return {"jobs": done, "failed": failed, "more": False}


def _all(server: "Server", /, verb: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    """Do it to all that match. A retry is not repeated by itself: what it made may have failed by then, and match."""
    outcome: dict[str, Any] = {"jobs": [], "failed": [], "more": True}
    while outcome["more"]:
        answer = server.ask("POST", f"/jobs/{verb}", body=choice)
        outcome = {
            "jobs": outcome["jobs"] + answer["jobs"],
            "failed": outcome["failed"] + answer["failed"],
            "more": answer["more"],
        }
        if verb == "retry" or not answer["jobs"]:
            break
    return outcome


def _agreed(server: "Server", /, verb: str, choice: Mapping[str, Any], usual: Sequence[str]) -> bool:
    counted = {**choice, "status": choice.get("status", usual)}
    total = server.ask("GET", "/jobs", query=[*as_query(counted), ("limit", "1")])["total"]
    if total == 0:
        say("No job matches")
        return False
    if not sys.stdin.isatty():
        raise click.UsageError(f"{total} jobs match: say --yes where nobody can be asked")
    most = "up to " if verb == "retry" else ""
    return click.confirm(f"{verb.capitalize()} {most}{total} job{'s' if total != 1 else ''}?", err=True)
