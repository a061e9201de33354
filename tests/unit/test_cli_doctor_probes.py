"""The doctor's looks at settings and machine: what is found where it is made so."""

from pathlib import Path
from typing import Any

import pytest

from agent_cli.doctor import of_machine, of_settings
from agent_cli.doctor.finding import Grade
from agent_cli.doctor.patient import Patient

SECRET = "a-secret-that-is-long-enough"


def patient(tmp_path: Path, **environ: str) -> Patient:
    return Patient.examined(
        {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin"), "AGENT_API_SECRET": SECRET, **environ}
    )


def program(tmp_path: Path, name: str, script: str) -> None:
    (tmp_path / "bin").mkdir(exist_ok=True)
    path = tmp_path / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def told(probe: Any, someone: Patient) -> list[tuple[Grade, str]]:
    return [(finding.grade, finding.message) for finding in await probe(someone)]


async def test_every_wrong_setting_is_an_error_and_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    someone = patient(
        tmp_path,
        PORT="many",
        AGENT_API_SECRET="",
        REPOS_DIR="relative",
        AGENT_CODE_AGENT="command",
        MAX_CONCURRENT_JOBS="7",
        AGENT_PERMISSION_MODE="bypassPermissions",
    )
    found = await of_settings.settings(someone)
    wrong = [finding.message.partition(":")[0] for finding in found if finding.grade is Grade.ERROR]
    assert sorted(wrong) == ["AGENT_API_SECRET", "AGENT_COMMAND", "PORT", "REPOS_DIR"]
    assert any("bypassPermissions" in finding.message for finding in found if finding.grade is Grade.WARNING)
    assert someone.settings.max_concurrent_jobs == 7
    assert someone.settings.port == 3456


def test_not_even_a_wrong_home_breaks_it(tmp_path: Path) -> None:
    someone = Patient.examined({"HOME": "nowhere", "PATH": ""})
    assert any(problem.startswith("REPOS_DIR") for problem in someone.problems)
    assert someone.settings.repos_dir.is_absolute()


async def test_an_env_file_that_cannot_be_used_is_an_error_and_its_settings_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "agent-server").mkdir()
    path = tmp_path / "agent-server" / "env"
    path.write_text("PORT=4000\n")
    path.chmod(0o644)
    someone = patient(tmp_path)
    assert someone.settings.port == 3456
    [(grade, message)] = await told(of_settings.env_file, someone)
    assert grade is Grade.ERROR
    assert f"chmod 600 {path}" in message


async def test_a_secret_that_is_another_one_in_the_shell_is_told_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "agent-server").mkdir()
    path = tmp_path / "agent-server" / "env"
    path.write_text("AGENT_API_SECRET=another-secret-of-the-file\n")
    path.chmod(0o600)
    found = await told(of_settings.env_file, patient(tmp_path))
    assert found[0] == (Grade.OK, str(path))
    assert found[1][0] is Grade.WARNING
    assert "AGENT_API_SECRET" in found[1][1]
    assert "another-secret" not in repr(found)


async def test_tokens_that_others_can_read_are_an_error(tmp_path: Path) -> None:
    someone = patient(tmp_path)
    assert await told(of_settings.token_file, someone) == []
    (tmp_path / "agent-server").mkdir()
    path = tmp_path / "agent-server" / "tokens.json"
    path.write_text("{}")
    for mode, grade in ((0o600, Grade.OK), (0o640, Grade.ERROR)):
        path.chmod(mode)
        assert [found for found, _ in await told(of_settings.token_file, someone)] == [grade]


@pytest.mark.parametrize(
    ("output", "grade", "words"),
    [
        ("Currently in use:\n standby 1\n sleep                1\n", Grade.WARNING, "sleeps after 1 idle minutes"),
        (" sleep                0\n displaysleep 10\n", Grade.OK, "stays awake"),
        (" sleep                1 (sleep prevented by caffeinate)\n", Grade.OK, "caffeinate"),
        ("what", Grade.WARNING, "does not tell"),
    ],
)
async def test_a_mac_that_sleeps_is_told(tmp_path: Path, output: str, grade: Grade, words: str) -> None:
    program(tmp_path, "pmset", f"printf '%s' '{output}'")
    [(found, message)] = await told(of_machine.sleep, patient(tmp_path))
    assert found is grade
    assert words in message


async def test_elsewhere_nothing_is_said_of_sleep(tmp_path: Path) -> None:
    assert await told(of_machine.sleep, patient(tmp_path)) == []


@pytest.mark.parametrize(
    ("output", "grade"),
    [
        ("NTP=yes\nNTPSynchronized=yes", Grade.OK),
        ("NTP=no\nNTPSynchronized=no", Grade.WARNING),
        ("NTP=no\nNTPSynchronized=yes", Grade.OK),
        ("NTP=yes\nNTPSynchronized=no", Grade.OK),
    ],
)
async def test_a_clock_that_nobody_sets_is_a_warning(tmp_path: Path, output: str, grade: Grade) -> None:
    program(tmp_path, "timedatectl", f"echo '{output}'")
    assert [found for found, _ in await told(of_machine.clock, patient(tmp_path))] == [grade]


async def test_room_is_measured_against_what_the_server_wants(tmp_path: Path) -> None:
    for wanted, grade in (("0", Grade.OK), ("999999999GB", Grade.ERROR)):
        someone = patient(tmp_path, AGENT_MIN_FREE_DISK=wanted)
        assert [found for found, _ in await told(of_machine.room, someone)] == [grade]
