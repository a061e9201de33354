"""The wheel as a user installs it: by pipx, into a home where nothing is. It takes a package index."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INDEX = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_")
"""What leads pip to its index, of the environment."""


def run(words: list[str], environ: Mapping[str, str], limit: float = 240) -> str:
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A new user's environment, with the program in it."""
    place = tmp_path_factory.mktemp("release")
    home = place / "home"
    home.mkdir()
    index = {name: value for name, value in os.environ.items() if name.startswith(INDEX)}
    clean = {"PATH": f"{home}/.local/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(
        [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", f"{place}/dist", str(ROOT)], clean | index
    )
    run([sys.executable, "-m", "venv", f"{place}/pipx"], clean)
    run([f"{place}/pipx/bin/python", "-m", "pip", "install", "--quiet", "pipx"], {**os.environ, **index})
    [wheel] = (place / "dist").iterdir()
    run([f"{place}/pipx/bin/pipx", "install", "--python", sys.executable, str(wheel)], clean | index)
    return clean


def test_it_tells_its_version(environ: dict[str, str]) -> None:
    assert run(["agent-server", "--version"], environ).split()[-1] == version("agent-server")


def test_a_new_user_is_told_what_is_missing_and_not_by_a_traceback(environ: dict[str, str]) -> None:
    told = subprocess.run(
        ["agent-server", "doctor", "--json"], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, told.stderr) == (1, "")
    report = json.loads(told.stdout)
    assert not [check for check in report["checks"] if "could not be looked at" in check["message"]]
    [missing] = [check for check in report["checks"] if check["message"].startswith("AGENT_API_SECRET")]
    assert missing["remedy"] == "agent-server init makes an env file with one"


def test_the_demo_runs_from_it(environ: dict[str, str]) -> None:
    assert "both signatures verified" in run(["agent-server", "demo"], environ)


def test_init_finds_its_instructions(environ: dict[str, str], tmp_path: Path) -> None:
    run(["agent-server", "init"], {**environ, "HOME": str(tmp_path)})
    assert (tmp_path / ".claude" / "CLAUDE.md").read_text().startswith("# Agent Instructions")
