"""The env file: what its lines mean, who wins, and which file is not used."""

from pathlib import Path

import pytest

from agent_adapters.processes import child_environment
from agent_cli.env_file import EnvFileError, env_path, environment


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "agent-server").mkdir()
    return {"HOME": str(tmp_path)}


def write(shell: dict[str, str], text: str | bytes, mode: int = 0o600) -> Path:
    path = env_path(shell)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_without_a_file_the_environment_is_as_it_is(shell: dict[str, str]) -> None:
    assert environment(shell) == shell


def test_the_file_is_below_the_environment(shell: dict[str, str]) -> None:
    write(shell, "PORT=4000\nLOG_LEVEL=debug\nMAX_CONCURRENT_JOBS=3\n")
    found = environment({**shell, "PORT": "5000", "LOG_LEVEL": ""})
    assert (found["PORT"], found["LOG_LEVEL"], found["MAX_CONCURRENT_JOBS"]) == ("5000", "", "3")


@pytest.mark.parametrize("place", ["{home}/elsewhere", "~/elsewhere"])
def test_it_is_looked_for_in_agent_home(shell: dict[str, str], tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    shell["AGENT_HOME"] = place.format(home=tmp_path)
    assert write(shell, "PORT=4000\n") == tmp_path / "elsewhere" / "env"
    assert environment(shell)["PORT"] == "4000"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=", ""),
        ("A=b", "b"),
        ("  A=b  ", "b"),
        ("A=b=c", "b=c"),
        ("A=Claude Code Agent", "Claude Code Agent"),
        ("PORT=3456                # API port (default: 3456)".replace("PORT", "A"), "3456"),
        ("A= # nothing", ""),
        ("A=b#c", "b#c"),
        ("A=#b", "#b"),
        ("A=it's", "it's"),
        ('A="b c # d"  # e', "b c # d"),
        ("A='b \"c\" $HOME'", 'b "c" $HOME'),
        ('A=""', ""),
        ("A=b\r", "b"),
    ],
)
def test_a_line_sets_a_variable(shell: dict[str, str], line: str, value: str) -> None:
    write(shell, f"# first\n\n{line}\n   # last")
    assert environment(shell) == {**shell, "A": value}


def test_a_mark_that_an_editor_put_at_the_beginning_is_no_part_of_the_first_line(shell: dict[str, str]) -> None:
    write(shell, "\ufeffA=b\n")
    assert environment(shell)["A"] == "b"
    write(shell, "\ufeff# first\nA=b\n")
    assert environment(shell)["A"] == "b"


@pytest.mark.parametrize("line", ["A", "A =s3cret", "A= s3cret", 'A="s3cret', 'A="s3cret"x', "1A=s3cret", "export A=1"])
def test_a_line_that_is_none_is_named_and_not_shown(shell: dict[str, str], line: str) -> None:
    path = write(shell, f"# first\n{line}\n")
    with pytest.raises(EnvFileError, match="line 2: must be KEY=VALUE") as caught:
        environment(shell)
    assert str(path) in caught.value.message
    assert "s3cret" not in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_file_that_others_can_get_at_is_refused_with_the_remedy(shell: dict[str, str], mode: int) -> None:
    path = write(shell, "AGENT_API_SECRET=s3cret\n", mode)
    with pytest.raises(EnvFileError, match=f"chmod 600 {path}"):
        environment(shell)


def test_what_is_no_text_or_no_file_is_an_error(shell: dict[str, str]) -> None:
    path = write(shell, b"A=\xff")
    with pytest.raises(EnvFileError, match="UTF-8"):
        environment(shell)
    write(shell, "AGENT_HOME=/srv/a\0b")
    with pytest.raises(EnvFileError, match="NUL"):
        environment(shell)
    path.unlink()
    path.mkdir()
    with pytest.raises(EnvFileError, match=f"{path} cannot be read"):
        environment(shell)


def test_what_the_file_sets_reaches_no_agent_but_by_name(shell: dict[str, str]) -> None:
    names = ("AGENT_API_SECRET", "WEBHOOK_SECRET", "GH_TOKEN", "AGENT_TOKEN", "DATABASE_URL")
    write(shell, "".join(f"{name}=s3cret\n" for name in names))
    assert "s3cret" not in child_environment(environment(shell), ()).values()
