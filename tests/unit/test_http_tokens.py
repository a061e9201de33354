"""Named tokens: their file, and whom they let in."""

import json
import logging
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent_http.authority import Authority, Caller, Scope
from agent_http.token_file import TokenFile, TokenFileError

SECRET = "a-secret-of-decent-length"
NOW = datetime(2025, 1, 7, 12, 0, 0, 250_000, tzinfo=UTC)
NONE_VALID = "no named token is valid: "


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "tokens.json"


@pytest.fixture
def tokens(path: Path) -> TokenFile:
    return TokenFile(path)


def write(path: Path, content: str | bytes) -> None:
    """Put the file there as its owner would, by hand."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)


def test_each_scope_allows_what_those_before_it_allow() -> None:
    allowed = {(has, needed) for has in Scope for needed in Scope if has.allows(needed)}
    assert allowed == {
        (Scope.READ, Scope.READ),
        (Scope.SUBMIT, Scope.READ),
        (Scope.SUBMIT, Scope.SUBMIT),
        (Scope.ADMIN, Scope.READ),
        (Scope.ADMIN, Scope.SUBMIT),
        (Scope.ADMIN, Scope.ADMIN),
    }


def test_a_token_lets_in_under_its_name_until_it_is_revoked(tokens: TokenFile, path: Path) -> None:
    authority = Authority(SECRET, TokenFile(path))
    token = tokens.add("opskings", Scope.SUBMIT, NOW)
    other = tokens.add("grafana", Scope.READ, NOW)
    assert authority.caller_of(token.encode()) == authority.named("opskings") == Caller("opskings", Scope.SUBMIT)
    assert authority.caller_of(other.encode()) == Caller("grafana", Scope.READ)
    tokens.revoke("opskings")
    assert authority.caller_of(token.encode()) is authority.named("opskings") is None
    assert authority.caller_of(other.encode()) == Caller("grafana", Scope.READ)


def test_the_secret_is_the_administrators_with_and_without_a_file(tokens: TokenFile) -> None:
    for authority in (Authority(SECRET), Authority(SECRET, tokens)):
        assert authority.caller_of(SECRET.encode()) == authority.named("admin") == Caller("admin", Scope.ADMIN)
        for wrong in (b"", b"\xff", SECRET[:-1].encode(), f"{SECRET}x".encode()):
            assert authority.caller_of(wrong) is None
        assert authority.named("nobody") is None


def test_a_token_is_long_known_by_its_prefix_and_stored_as_a_hash_alone(tokens: TokenFile, path: Path) -> None:
    made = {tokens.add(f"t{n}", Scope.READ, NOW) for n in range(3)}
    assert len(made) == 3
    for token in made:
        assert token.startswith("agt_")
        assert len(token) == 4 + 43
        assert not any(token.removeprefix("agt_") in file.read_text() for file in path.parent.iterdir())
        assert token not in repr(tokens.entries())


def test_the_file_is_for_its_owner_alone(tokens: TokenFile, path: Path) -> None:
    tokens.add("a", Scope.READ, NOW)
    assert [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()] == [0o600] * 2
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_tokens_are_told_oldest_first_with_the_time_in_utc(tokens: TokenFile) -> None:
    assert list(tokens.entries()) == []
    tokens.add("b", Scope.ADMIN, NOW.astimezone(timezone(timedelta(hours=2))))
    tokens.add("a", Scope.READ, NOW + timedelta(days=1))
    told = [(entry.name, entry.scope, entry.created_at) for entry in tokens.entries()]
    at = NOW.replace(microsecond=0)
    assert told == [("b", Scope.ADMIN, at), ("a", Scope.READ, at + timedelta(days=1))]


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a/b", "a\n", "admin", "Admin"])
def test_a_name_that_cannot_be_one_is_refused(tokens: TokenFile, path: Path, name: str) -> None:
    with pytest.raises(TokenFileError, match="name"):
        tokens.add(name, Scope.READ, NOW)
    assert not path.exists()


def test_a_name_has_one_token(tokens: TokenFile) -> None:
    tokens.add("x" * 64, Scope.READ, NOW)
    with pytest.raises(TokenFileError, match="already: revoke it first"):
        tokens.add("x" * 64, Scope.ADMIN, NOW)
    assert [entry.scope for entry in tokens.entries()] == [Scope.READ]


def test_a_token_that_is_not_there_cannot_be_revoked(tokens: TokenFile) -> None:
    for name in ("a", "admin"):
        with pytest.raises(TokenFileError, match=f"no token named '{name}'"):
            tokens.revoke(name)


def edited(**change: Any) -> Callable[[str], str]:
    def edit(content: str) -> str:
        whole = json.loads(content)
        whole["tokens"][0].update(change)
        return json.dumps(whole)

    return edit


DAMAGES: dict[str, Callable[[str], str | bytes]] = {
    "empty": lambda _: "",
    "cut_short": lambda content: content[:-5],
    "not_unicode": lambda _: b"\xff",
    "a_list": lambda _: "[]",
    "null": lambda _: "null",
    "deep": lambda _: "[" * 100_000,
    "without_a_version": lambda content: content.replace("version", "edition"),
    "version_0": lambda content: content.replace('"version": 1', '"version": 0'),
    "tokens_null": lambda _: '{"version": 1, "tokens": null}',
    "token_null": lambda _: '{"version": 1, "tokens": [null]}',
    "name_missing": lambda content: content.replace('"name"', '"nom"'),
    "name_null": edited(name=None),
    "name_of_the_secret": edited(name="admin"),
    "name_twice": edited(name="b"),
    "scope_unknown": edited(scope="root"),
    "time_unknown": edited(createdAt="yesterday"),
    "time_beyond": edited(createdAt="0001-01-01T00:00:00+23:59"),
    "hash_short": edited(sha256="ab"),
    "hash_null": edited(sha256=None),
    "too_long": lambda content: content + " " * 1024 * 1024,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_left_alone_and_lets_nobody_in_but_the_secret(
    tokens: TokenFile, path: Path, damage: Callable[[str], str | bytes], caplog: pytest.LogCaptureFixture
) -> None:
    token = [tokens.add(name, Scope.ADMIN, NOW) for name in ("a", "b")][1].encode()
    authority = Authority(SECRET, TokenFile(path))
    assert authority.caller_of(token)
    good = path.read_text()
    write(path, damage(good))
    bad = path.read_bytes()
    for use in (tokens.entries, lambda: tokens.add("c", Scope.READ, NOW), lambda: tokens.revoke("b")):
        with pytest.raises(TokenFileError, match=f"{path} is damaged: move it away"):
            use()
    assert path.read_bytes() == bad
    for _ in range(3):
        assert authority.caller_of(token) is authority.named("b") is None
        assert authority.caller_of(SECRET.encode())
    assert [line.startswith(f"{NONE_VALID}The token file {path} is damaged") for line in caplog.messages] == [True]
    write(path, good)
    assert authority.caller_of(token)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_may_open_lets_nobody_in_until_it_is_closed_to_them(
    tokens: TokenFile, path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    token = tokens.add("a", Scope.READ, NOW).encode()
    authority = Authority(SECRET, TokenFile(path))
    path.chmod(mode)
    with pytest.raises(TokenFileError, match=f"open to other users: run chmod 600 {path}"):
        tokens.entries()
    assert authority.caller_of(token) is None
    path.chmod(0o600)
    assert authority.caller_of(token)
    path.chmod(mode)
    assert authority.caller_of(token) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_a_file_of_a_newer_version_is_not_called_damaged(tokens: TokenFile, path: Path) -> None:
    write(path, '{"version": 2, "tokens": []}')
    with pytest.raises(TokenFileError, match="newer agent-server"):
        tokens.add("a", Scope.READ, NOW)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_told(tokens: TokenFile, path: Path, make: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    make(path)
    with pytest.raises(TokenFileError, match="is no file"):
        tokens.entries()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(TokenFileError, match=r"tokens\.json cannot be written"):
        TokenFile(tmp_path / "home" / "tokens.json").add("a", Scope.READ, NOW)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tokens: TokenFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens.add("a", Scope.READ, NOW)
    before = sorted(path.parent.iterdir())

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", no_space)
        with pytest.raises(TokenFileError, match=f"{path} cannot be written: No space left"):
            tokens.add("b", Scope.READ, NOW)
    assert sorted(path.parent.iterdir()) == before
    assert [entry.name for entry in tokens.entries()] == ["a"]


def test_commands_that_change_it_at_once_lose_nothing(path: Path) -> None:
    def add_ten(whose: str) -> None:
        for n in range(10):
            TokenFile(path).add(f"{whose}-{n}", Scope.READ, NOW)

    with ThreadPoolExecutor() as threads:
        list(threads.map(add_ten, "abc"))
    assert {entry.name for entry in TokenFile(path).entries()} == {f"{whose}-{n}" for whose in "abc" for n in range(10)}
