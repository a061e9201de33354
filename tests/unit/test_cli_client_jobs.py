"""The commands that make, show and change jobs, asked of the application over fakes."""

import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes.code_agent import Script, failed
from tests.unit.cli_client_place import Command, make_command
from tests.unit.served import ORG, REPO, Served, serving

SUBMIT = ("submit", "--repo", f"{ORG}/{REPO}", "--branch", "fix/login-bug")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return make_command(monkeypatch, capsys, tmp_path)


@pytest.fixture
async def served(command: Command) -> AsyncIterator[Served]:
    async with serving() as served:
        command.at(served.client.make_url("/"))
        yield served


async def paused(served: Served) -> None:
    assert (await served.ask("POST", "/queue/pause")).status == 200


async def test_a_submitted_job_has_all_that_was_asked_for_and_its_id_stands_alone(
    command: Command, served: Served
) -> None:
    await paused(served)
    wishes = ("--title", "Fix login", "--tag", "team=web", "--tag", "why=a=b", "--priority", "5", "--model", "opus")
    more = ("--mode", "patch", "--callback", "http://127.0.0.1:9/hook", "--feature", "F-1")
    ran = await command.done(*SUBMIT, "Fix the login bug", *wishes, *more)
    assert ran.err == "Queued at position 1\n"
    job = await served.get(f"/jobs/{ran.out.removesuffix(chr(10))}")
    assert (job["prompt"], job["branchName"], job["title"]) == ("Fix the login bug", "fix/login-bug", "Fix login")
    assert (job["tags"], job["priority"]) == ({"team": "web", "why": "a=b"}, 5)
    assert (job["options"]["model"], job["options"]["deliveryMode"]) == ("opus", "patch")
    assert (job["osFeatureId"], job["osCallbackUrl"]) == ("F-1", "http://127.0.0.1:9/hook")


async def test_the_answer_to_a_submission_is_written_as_json_if_asked_for(command: Command, served: Served) -> None:
    ran = await command.done(*SUBMIT, "Fix it", "--json")
    assert ran.json["branchName"] == "fix/login-bug"
    assert ran.err == ""


async def test_a_prompt_comes_from_stdin_or_from_a_file(command: Command, served: Served, tmp_path: Path) -> None:
    await paused(served)
    command.monkeypatch.setattr("sys.stdin", io.StringIO("From stdin\nin two lines"))
    (tmp_path / "prompt.md").write_text("From a file: größer", encoding="utf-8")
    first = await command.done(*SUBMIT, "-")
    second = await command.done(*SUBMIT, "--file", str(tmp_path / "prompt.md"))
    prompts = [(await served.get(f"/jobs/{ran.out.strip()}"))["prompt"] for ran in (first, second)]
    assert prompts == ["From stdin\nin two lines", "From a file: größer"]


async def test_without_a_prompt_a_person_gets_an_editor_and_nothing_written_queues_nothing(
    command: Command, served: Served, tmp_path: Path
) -> None:
    await paused(served)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "%s" "$WORDS" > "$1"\n')
    editor.chmod(0o700)
    command.monkeypatch.setenv("EDITOR", str(editor))
    command.monkeypatch.delenv("VISUAL", raising=False)
    for words, code in (("From the editor", 0), ("", 1)):
        command.monkeypatch.setenv("WORDS", words)
        stdin = io.StringIO()
        command.monkeypatch.setattr("sys.stdin", stdin)
        for stream in (stdin, sys.stderr):
            command.monkeypatch.setattr(stream, "isatty", lambda: True)
        ran = await command(*SUBMIT)
        assert ran.code == code
    [job] = (await served.get("/jobs"))["jobs"]
    assert (await served.get(f"/jobs/{job['id']}"))["prompt"] == "From the editor"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("submit", "x", "--branch", "b"), 2),
        (("submit", "x", "--branch", "b", "--repo", "a/b", "--client", "c"), 2),
        (("submit", "x", "--branch", "b", "--repo", "shop"), 2),
        (("submit", "x", "--repo", "a/b"), 2),
        (("submit", "--branch", "b", "--repo", "a/b"), 2),
        (("submit", " \n", "--branch", "b", "--repo", "a/b"), 1),
        (("submit", "x", "--branch", "b", "--repo", "a/b", "--tag", "alone"), 2),
        (("submit", "x", "--branch", "main", "--repo", f"{ORG}/{REPO}"), 1),
    ],
)
async def test_a_submission_that_cannot_be_is_refused_and_nothing_is_queued(
    command: Command, served: Served, arguments: tuple[str, ...], code: int
) -> None:
    command.monkeypatch.setattr("sys.stdin", io.StringIO())
    ran = await command(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert "Error: " in ran.err
    assert (await served.get("/jobs"))["total"] == 0


async def test_a_client_is_known_by_its_id_its_name_and_its_repository(command: Command, served: Served) -> None:
    client = await served.new_client()
    for name in (client["id"], "french language solutions", REPO, f"{ORG.lower()}/{REPO}"):
        assert (await command.done("submit", "Fix it", "--client", name, "--branch", "b")).out
    ran = await command("submit", "Fix it", "--client", "nobody", "--branch", "b")
    assert (ran.code, ran.err) == (1, "Error: There is no client nobody: `agent-server clients` lists them\n")


async def test_a_watched_submission_keeps_stdout_for_the_id_and_exits_as_the_job_ends(
    command: Command, served: Served
) -> None:
    served.agent.script("Break it", Script(ending=failed()))
    good = await command(*SUBMIT, "Fix it", "--watch")
    bad = await command(*SUBMIT, "Break it", "--watch")
    assert (good.code, bad.code) == (0, 1)
    assert good.out.count("\n") == bad.out.count("\n") == 1
    assert "completed" in good.err
    assert "failed: The agent gave up (agent_failed)" in bad.err.replace(" after 0s", "")


async def test_jobs_are_a_table_and_its_filters_are_those_of_the_api(command: Command, served: Served) -> None:
    await paused(served)
    one = await served.new_job(title="One", osFeatureId="F-1", tags={"team": "web"})
    two = await served.new_job(title="Two", branchName="other")
    table = await command.done("jobs")
    assert [line.split()[0] for line in table.out.splitlines()] == ["ID", two["id"], one["id"]]
    assert [line.split()[1] for line in table.out.splitlines()] == ["STATUS", "queued", "queued"]
    for filters, found in [
        (("--q", "two"), [two]),
        (("--feature", "F-1"), [one]),
        (("--tag", "team=web"), [one]),
        (("--status", "failed", "--status", "queued"), [two, one]),
        (("--status", "running"), []),
        (("--client", REPO, "--limit", "1"), [two]),
        (("--since", "2025-01-07T11:00:00Z"), [two, one]),
        (("--since", "1h"), []),
    ]:
        shown = await command.done("jobs", "--json", *filters)
        assert [job["id"] for job in shown.json["jobs"]] == [job["id"] for job in found], filters


async def test_a_list_that_is_not_whole_says_so(command: Command, served: Served) -> None:
    await paused(served)
    for _ in range(3):
        await served.new_job()
    ran = await command.done("jobs", "--limit", "2")
    assert (ran.out.count("\n"), ran.err) == (3, "2 of 3 jobs: --limit shows more\n")


async def test_more_jobs_than_a_page_has_are_read_page_by_page(command: Command, served: Served) -> None:
    await paused(served)
    command.monkeypatch.setattr("agent_cli.client.jobs._PAGE", 2)
    ids = [(await served.new_job())["id"] for _ in range(5)]
    shown = (await command.done("jobs", "--json", "--limit", "4")).json
    assert ([job["id"] for job in shown["jobs"]], shown["total"]) == (ids[:0:-1], 5)
    assert len((await command.done("jobs", "--json")).json["jobs"]) == 5


async def test_a_job_is_shown_with_its_prompt_and_last_words_and_as_json_whole(
    command: Command, served: Served
) -> None:
    job = await served.finished_job(title="Fix login", tags={"team": "web"})
    shown = await command.done("show", "last")
    facts = dict(line.split("  ", 1) for line in shown.out.split("\n\n")[0].splitlines())
    assert facts["Job"].strip() == job["id"]
    assert (facts["Status"].strip(), facts["Tags"].strip()) == ("completed", "team=web")
    assert "Asked for" not in facts
    assert facts["Tokens"].strip() == "3,000 in, 150 out"
    assert shown.out.endswith("Prompt\n  Fix the login bug...\n\nThe agent's last words\n  All done.\n")
    whole = await command.done("show", job["id"], "--json")
    assert whole.json == await served.get(f"/jobs/{job['id']}")


async def test_last_is_nothing_while_there_is_no_job(command: Command, served: Served) -> None:
    ran = await command("show", "last")
    assert (ran.code, ran.err) == (1, "Error: There is no job yet\n")


async def test_a_stored_log_is_written_whole_and_as_one_document(command: Command, served: Served) -> None:
    command.monkeypatch.setattr("agent_cli.client.logs._SLICE", "1")
    job = await served.finished_job()
    ran = await command.done("logs", job["id"])
    assert "| I will write the file." in ran.out
    shown = (await command.done("logs", job["id"], "--json")).json["messages"]
    assert [message["content"] for message in shown] == [line[11:] for line in ran.out.splitlines()]
    followed = await command.done("logs", "-f", job["id"], "--json")
    assert [line["content"] for line in followed.lines] == [message["content"] for message in shown]


async def test_jobs_are_cancelled_one_by_one_and_what_cannot_be_is_told(command: Command, served: Served) -> None:
    over = await served.finished_job()
    await paused(served)
    job = await served.new_job()
    ran = await command("cancel", over["id"], job["id"])
    assert (ran.code, ran.out) == (1, f"{job['id']}\n")
    assert ran.err == f"{over['id']}: Job already completed\n"
    assert (await served.get(f"/jobs/{job['id']}"))["status"] == "cancelled"


async def test_jobs_that_match_are_cancelled_only_when_that_was_agreed_to(command: Command, served: Served) -> None:
    await paused(served)
    jobs = [await served.new_job(tags={"team": "web"}) for _ in range(2)]
    other = await served.new_job()
    nobody = await command("cancel", "--tag", "team=web")
    assert (nobody.code, "2 jobs match: say --yes" in nobody.err) == (2, True)
    ran = await command.done("cancel", "--tag", "team=web", "--yes")
    assert sorted(ran.out.split()) == sorted(job["id"] for job in jobs)
    assert (await served.get(f"/jobs/{other['id']}"))["status"] == "queued"
    none = await command("cancel", "--tag", "team=web")
    assert (none.code, none.err) == (1, "No job matches\nNothing was done\n")


@pytest.mark.parametrize(("typed", "code", "status"), [("n\n", 1, "queued"), ("y\n", 0, "cancelled")])
async def test_who_is_asked_decides(command: Command, served: Served, typed: str, code: int, status: str) -> None:
    await paused(served)
    job = await served.new_job()
    answers = io.StringIO(typed)
    command.monkeypatch.setattr(answers, "isatty", lambda: True)
    command.monkeypatch.setattr("sys.stdin", answers)
    ran = await command("cancel", "--status", "queued")
    assert ran.code == code
    assert "Cancel 1 job? [y/N]" in ran.err
    assert (await served.get(f"/jobs/{job['id']}"))["status"] == status


async def test_failed_jobs_are_retried_once_however_often_it_is_said(command: Command, served: Served) -> None:
    served.agent.script("Break it", Script(ending=failed()))
    job = await served.finished_job(prompt="Break it")
    await paused(served)
    first = (await command.done("retry", "--status", "failed", "--yes", "--json")).json
    assert [item["originalJobId"] for item in first["jobs"]] == [job["id"]]
    assert (await command.done("retry", "--status", "failed", "--yes", "--json")).json["jobs"] == []
    one = await command.done("retry", job["id"])
    assert (await served.get(f"/jobs/{one.out.strip()}"))["originalJobId"] == job["id"]


@pytest.mark.parametrize("arguments", [["cancel"], ["retry"], ["retry", "job-1", "--q", "x"]])
async def test_ids_or_filters_must_be_given_and_not_both(command: Command, arguments: list[str]) -> None:
    assert (await command(*arguments)).code == 2


async def test_a_follow_up_goes_on_from_its_job(command: Command, served: Served) -> None:
    job = await served.finished_job()
    ran = await command.done("follow-up", job["id"], "Now with tests", "--title", "Tests")
    made = await served.get(f"/jobs/{ran.out.strip()}")
    assert (made["followUpOf"], made["prompt"], made["title"]) == (job["id"], "Now with tests", "Tests")


async def test_kept_work_is_published_and_is_there_as_a_diff(command: Command, served: Served) -> None:
    job = await served.kept_job()
    shown = await command.done("diff", job["id"])
    assert shown.out.startswith("diff --git a/hello.txt")
    assert (await command.done("diff", job["id"], "--json")).json == {"id": job["id"], "text": shown.out}
    ran = await command.done("publish", job["id"], "--mode", "branch", "--watch")
    made: Any = await served.get(f"/jobs/{ran.out.strip()}")
    assert (made["kind"], made["status"]) == ("publish", "completed")
    assert json.dumps(made["options"]["deliveryMode"]) == '"branch"'
