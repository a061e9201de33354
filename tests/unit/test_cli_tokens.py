"""`agent-server token`: what it prints where, and what it leaves in the file."""

import json
from pathlib import Path

import pytest

from agent_cli.command_line import run
from agent_http.authority import Authority, Scope
from agent_http.token_file import TokenFile


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AGENT_HOME", str(tmp_path / "server"))
    return tmp_path / "server"


def authority(home: Path) -> Authority:
    return Authority("the-secret", TokenFile(home / "tokens.json"))


def test_a_new_token_stands_alone_on_stdout_and_lets_in(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", "add", "opskings", "--scope", "submit"]) == 0
    shown = capsys.readouterr()
    [token] = shown.out.splitlines()
    assert token.startswith("agt_")
    assert "opskings" in shown.err
    assert token not in shown.err
    caller = authority(home).caller_of(token.encode())
    assert caller is not None
    assert (caller.name, caller.scope) == ("opskings", Scope.SUBMIT)


def test_a_revoked_token_lets_nobody_in(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["token", "add", "opskings", "--scope", "read"])
    token = capsys.readouterr().out.strip()
    assert run(["token", "revoke", "opskings"]) == 0
    assert authority(home).caller_of(token.encode()) is None
    assert run(["token", "revoke", "opskings"]) == 1
    assert "no token named 'opskings'" in capsys.readouterr().err


def test_the_list_has_names_and_scopes_and_no_token(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = []
    for name, scope in (("opskings", "submit"), ("grafana", "read")):
        run(["token", "add", name, "--scope", scope])
        tokens.append(capsys.readouterr().out.strip())
    assert run(["token", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["opskings", "submit"], ["grafana", "read"]]
    assert run(["token", "list", "--json"]) == 0
    shown = capsys.readouterr().out
    assert [(entry["name"], entry["scope"]) for entry in json.loads(shown)["tokens"]] == [
        ("opskings", "submit"),
        ("grafana", "read"),
    ]
    assert not any(token in shown for token in tokens)


@pytest.mark.parametrize("arguments", [["add", "admin", "--scope", "read"], ["add", "two words", "--scope", "read"]])
def test_a_name_that_cannot_be_is_refused(home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", *arguments]) == 1
    assert capsys.readouterr().out == ""
    assert not (home / "tokens.json").exists()


@pytest.mark.usefixtures("home")
def test_a_scope_must_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", "add", "x"]) == 2
    assert run(["token", "add", "x", "--scope", "root"]) == 2
    assert "'read', 'submit', 'admin'" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_place_that_is_no_absolute_path_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGENT_HOME", "relative")
    assert run(["token", "list"]) == 2
    assert "AGENT_HOME: must be an absolute path" in capsys.readouterr().err
