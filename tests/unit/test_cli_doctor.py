"""The doctor: what it makes of answers, and that no probe can spoil the report."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.github.gh_command import GhAnswer
from agent_cli.command_line import run
from agent_cli.doctor.asking import Answer
from agent_cli.doctor.command import Probe, examine
from agent_cli.doctor.finding import Finding, Grade, as_json, as_lines, error, ok, warning
from agent_cli.doctor.of_agent import billed_by_settings, told_by_claude
from agent_cli.doctor.of_git import Remote, remote_of, told_by_ssh
from agent_cli.doctor.of_pull_requests import told_by_gh
from agent_cli.doctor.patient import Patient

SECRET = "a-secret-that-is-long-enough"


def patient(tmp_path: Path, **environ: str) -> Patient:
    return Patient.examined(
        {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin"), "AGENT_API_SECRET": SECRET, **environ}
    )


async def all_well(_: Patient) -> Sequence[Finding]:
    return [ok("well", "fine")]


async def broken(_: Patient) -> Sequence[Finding]:
    raise RuntimeError("what nobody thought of")


async def hanging(_: Patient) -> Sequence[Finding]:
    await asyncio.Event().wait()
    return []


async def test_a_probe_that_breaks_or_hangs_is_a_warning_and_hides_nothing(tmp_path: Path) -> None:
    probes = [Probe("A", "broken", broken), Probe("A", "hanging", hanging, 0.01), Probe("B", "well", all_well)]
    found = await examine(patient(tmp_path), probes)
    assert [(group, finding.name, finding.grade) for group, finding in found] == [
        ("A", "broken", Grade.WARNING),
        ("A", "hanging", Grade.WARNING),
        ("B", "well", Grade.OK),
    ]
    assert "what nobody thought of" in found[0][1].message


def test_the_report_has_each_line_with_its_remedy_and_no_escapes_of_others() -> None:
    found = [
        ("A", ok("x", "fine")),
        ("A", warning("y", "so\x1b[2J so", "do this")),
        ("B", error("z", "bad", "do that")),
    ]
    lines = list(as_lines(found))
    text = "\n".join(lines)
    assert "do this" in text
    assert "\x1b[2J" not in text
    assert lines[-1] == "1 error(s) and 1 warning(s): not fit to serve yet"
    told = as_json(found)
    assert told["ok"] is False
    assert told["checks"][1] == {
        "group": "A",
        "name": "y",
        "status": "warning",
        "message": "so\x1b[2J so",
        "remedy": "do this",
    }


def status(**facts: Any) -> Answer:
    return Answer(0 if facts.get("loggedIn") else 1, json.dumps(facts), "")


@pytest.mark.parametrize(
    ("answer", "environ", "grade", "words"),
    [
        (status(loggedIn=True, authMethod="claude.ai", subscriptionType="max"), {}, Grade.OK, "subscription (max)"),
        (status(loggedIn=True, authMethod="claude.ai", subscriptionType=None), {}, Grade.OK, "subscription"),
        (status(loggedIn=True, authMethod="oauth_token"), {}, Grade.OK, "CLAUDE_CODE_OAUTH_TOKEN"),
        (
            status(loggedIn=True, authMethod="oauth_token"),
            {"ANTHROPIC_AUTH_TOKEN": "x"},
            Grade.WARNING,
            "by ANTHROPIC_AUTH_TOKEN: the API is billed",
        ),
        (
            status(loggedIn=True, authMethod="api_key", apiKeySource="ANTHROPIC_API_KEY", apiProvider="firstParty"),
            {},
            Grade.WARNING,
            "by ANTHROPIC_API_KEY: the API is billed",
        ),
        (status(loggedIn=True, authMethod="third_party", apiProvider="bedrock"), {}, Grade.WARNING, "by bedrock"),
        (status(loggedIn=False, authMethod="none"), {}, Grade.ERROR, "not logged in"),
        (Answer(1, "", "error: unknown command 'auth'"), {}, Grade.WARNING, "unknown command 'auth'"),
        (Answer(0, "[]", ""), {}, Grade.WARNING, "does not tell"),
    ],
)
def test_a_login_is_told_by_who_pays(answer: Answer, environ: dict[str, str], grade: Grade, words: str) -> None:
    [finding] = told_by_claude(answer, environ)
    assert finding.grade is grade
    assert words in finding.message


def test_the_cli_s_own_settings_can_have_the_api_billed() -> None:
    assert billed_by_settings({"model": "opus", "env": {"ANTHROPIC_API_KEY": ""}}) == []
    found = billed_by_settings({"env": {"ANTHROPIC_API_KEY": "sk-hush"}, "apiKeyHelper": "/bin/key"})
    assert [finding.grade for finding in found] == [Grade.WARNING] * 2
    assert "sk-hush" not in repr(found)


@pytest.mark.parametrize(
    ("answer", "grade", "words"),
    [
        (GhAnswer(exit_code=0, status=200, body='{"login":"ada"}'), Grade.OK, "ada at github.com"),
        (
            GhAnswer(exit_code=0, body='{"login":"ada"}', headers={"x-oauth-scopes": "gist, read:org"}),
            Grade.ERROR,
            "lacks the scope repo",
        ),
        (GhAnswer(exit_code=0, body='{"login":"ada"}', headers={"x-oauth-scopes": "gist, repo"}), Grade.OK, "ada"),
        (GhAnswer(exit_code=4, stderr="run: gh auth login"), Grade.ERROR, "not logged in"),
        (GhAnswer(exit_code=1, status=401, body="{}"), Grade.ERROR, "refuses gh's token"),
        (GhAnswer(exit_code=1, stderr="error connecting to api.github.com"), Grade.WARNING, "error connecting"),
        (GhAnswer(exit_code=0, status=200, body="<html>log in to the hotel's net"), Grade.WARNING, "does not tell"),
        (GhAnswer(exit_code=None), Grade.WARNING, "no answer"),
    ],
)
def test_gh_is_believed_by_what_the_service_answers(answer: GhAnswer, grade: Grade, words: str) -> None:
    [finding] = told_by_gh(answer, "github.com")
    assert finding.grade is grade
    assert words in finding.message


@pytest.mark.parametrize(
    ("code", "said", "grade", "words"),
    [
        (1, "Hi ada! You've successfully authenticated, but GitHub does not provide shell access.", Grade.OK, "knows"),
        (0, "Welcome to GitLab, @ada!", Grade.OK, "knows"),
        (128, "fatal: unrecognized command", Grade.OK, "knows"),
        (255, "Host key verification failed.", Grade.ERROR, "host key"),
        (255, "git@github.com: Permission denied (publickey).", Grade.ERROR, "no key"),
        (255, "ssh: Could not resolve hostname github.com: nodename nor servname", Grade.ERROR, "resolve hostname"),
        (255, "ssh: connect to host github.com port 22: Operation timed out", Grade.ERROR, "timed out"),
    ],
)
def test_ssh_is_told_apart(code: int, said: str, grade: Grade, words: str) -> None:
    finding = told_by_ssh(Answer(code, "", said), "git@github.com", "ssh -T git@github.com")
    assert finding.grade is grade
    assert words in finding.message
    assert (finding.remedy is None) == (grade is Grade.OK)


@pytest.mark.parametrize(
    ("template", "remote"),
    [
        ("git@github.com:{org}/{repo}.git", Remote(way="ssh", host="github.com", user="git")),
        ("github-work:{org}/{repo}", Remote(way="ssh", host="github-work")),
        ("ssh://git@ssh.github.com:443/{org}/{repo}", Remote(way="ssh", host="ssh.github.com", user="git", port=443)),
        ("https://ghe.example.com/{org}/{repo}.git", Remote(way="https", host="ghe.example.com")),
        ("/srv/git/{org}/{repo}.git", Remote(way="directory", directory=Path("/srv/git"))),
        ("file:///srv/git/{org}-{repo}.git", Remote(way="directory", directory=Path("/srv/git"))),
        ("/srv/git-{org}/{repo}", Remote(way="directory", directory=Path("/srv"))),
    ],
)
def test_a_template_says_how_its_place_is_reached(template: str, remote: Remote) -> None:
    assert remote_of(template) == remote


def test_the_command_ends_with_1_on_an_error_and_writes_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("AGENT_", "WEBHOOK_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PORT", "0")
    assert run(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    wrong = {check["name"] for check in report["checks"] if check["status"] == "error"}
    assert report["ok"] is False
    assert {"settings", "claude", "git", "origin", "gh"} <= wrong
    assert all(check["remedy"] for check in report["checks"] if check["status"] == "error")
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_needs_nothing_more_is_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("AGENT_", "WEBHOOK_"))]:
        monkeypatch.delenv(name)
    fit = {
        "HOME": str(tmp_path),
        "PORT": "0",
        "AGENT_API_SECRET": SECRET,
        "WEBHOOK_SECRET": SECRET,
        "AGENT_CODE_AGENT": "rehearsal",
        "AGENT_PR_HOST": "local",
        "AGENT_GIT_REMOTE": f"{tmp_path}/{{org}}/{{repo}}.git",
        "AGENT_MIN_FREE_DISK": "0",
        "NO_COLOR": "1",
    }
    for name, value in fit.items():
        monkeypatch.setenv(name, value)
    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "error" not in shown
    assert SECRET not in shown
