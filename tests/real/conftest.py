"""The real programs, where they are installed, and the stand-ins of the services that they talk to."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.account import SECRETS, Account, Notice
from tests.real.anthropic.stub_anthropic import StubAnthropic
from tests.real.github.stub_github import StubGitHub

PROJECT = Path(__file__).parents[2]
NO_CLAUDE = (
    "claude is not installed (npm install @anthropic-ai/claude-code@2.1.330 into any folder, its node_modules/.bin on "
    "the PATH, or CLAUDE_COMMAND=/path/to/claude)"
)
NO_GH = "gh is not installed (apt-get install gh)"


def claude_path() -> str | None:
    """Find the claude CLI: the one that is named, else that of the PATH, else that of the project's node_modules."""
    named = os.environ.get("CLAUDE_COMMAND")
    local = str(PROJECT / "node_modules" / ".bin" / "claude")
    found = shutil.which(named) if named else shutil.which("claude") or shutil.which(local)
    return found and str(Path(found).absolute())


def pytest_report_header() -> list[str]:
    """Name the versions that the results are of."""
    header = []
    for command in filter(None, (claude_path(), shutil.which("gh"), shutil.which("git"))):
        with tempfile.TemporaryDirectory() as home:
            environ = {"PATH": os.environ["PATH"], "HOME": home}
            run = subprocess.run([command, "--version"], env=environ, capture_output=True, text=True, check=False)
        header.append(f"{command}: {run.stdout.partition(chr(10))[0]}")
    return header


@pytest.fixture(scope="session")
def claude() -> str:
    """The claude CLI's absolute path."""
    return claude_path() or pytest.skip(NO_CLAUDE)


@pytest.fixture
def anthropic() -> Iterator[StubAnthropic]:
    with StubAnthropic() as stub:
        yield stub


@pytest.fixture
def github(tmp_path: Path) -> Iterator[StubGitHub]:
    if shutil.which("gh") is None:
        pytest.skip(NO_GH)
    with StubGitHub(tmp_path / "origins", tokens={SECRETS["GH_TOKEN"]: "octobot"}) as stub:
        yield stub


@pytest.fixture
def account(
    tmp_path: Path, claude: str, anthropic: StubAnthropic, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    # a probe that a caller waits for gives up early; here it shall have the answer, on a busy machine too
    monkeypatch.setattr("agent_adapters.claude.login.PATIENCE_SECONDS", 30.0)
    with Account(tmp_path, claude, anthropic) as account:
        yield account


@pytest.fixture
def notice(tmp_path: Path) -> Iterator[Notice]:
    notice = Notice(tmp_path / "notice")
    yield notice
    notice.close()
