"""A repository's instructions are read as text, and from nowhere but the repository."""

import os
import stat
from pathlib import Path

import pytest

from agent_adapters.claude.instructions import read_instructions
from agent_adapters.processes import scratch_directory, write_private


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    path = tmp_path / "worktree"
    path.mkdir()
    return path


def test_claude_md_comes_before_agents_md(worktree: Path) -> None:
    (worktree / "AGENTS.md").write_text("agents")
    assert read_instructions(worktree) == "agents"
    (worktree / "CLAUDE.md").write_text("claude")
    assert read_instructions(worktree) == "claude"


def test_a_repository_without_instructions_has_none(worktree: Path) -> None:
    (worktree / "CLAUDE.md").write_text(" \n")
    (worktree / "AGENTS.md").mkdir()
    assert read_instructions(worktree) is None


def test_a_link_is_followed_inside_the_worktree_only(worktree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the server's")
    (worktree / "CLAUDE.md").symlink_to(tmp_path / "secret")
    assert read_instructions(worktree) is None
    (worktree / "AGENTS.md").write_text("agents")
    assert read_instructions(worktree) == "agents"
    (worktree / "CLAUDE.md").unlink()
    (worktree / "CLAUDE.md").symlink_to("AGENTS.md")
    assert read_instructions(worktree) == "agents"


def test_a_pipe_or_a_loop_holds_nobody_up(worktree: Path) -> None:
    os.mkfifo(worktree / "CLAUDE.md")
    (worktree / "AGENTS.md").symlink_to("AGENTS.md")
    assert read_instructions(worktree) is None


def test_endless_instructions_are_cut_and_say_so(worktree: Path) -> None:
    (worktree / "CLAUDE.md").write_text("é" * 300_000)
    text = read_instructions(worktree)
    assert text is not None
    assert len(text) < 140_000
    assert "CLAUDE.md is longer" in text


def test_a_directorys_instructions_come_after_the_repositorys(worktree: Path) -> None:
    (worktree / "packages" / "app").mkdir(parents=True)
    (worktree / "CLAUDE.md").write_text("Use tabs.")
    (worktree / "packages" / "app" / "AGENTS.md").write_text("Use spaces.")
    assert read_instructions(worktree, "packages/app") == "Use tabs.\n\nUse spaces."
    (worktree / "CLAUDE.md").unlink()
    assert read_instructions(worktree, "packages/app") == "Use spaces."


def test_a_directory_that_leads_out_of_the_worktree_has_no_instructions(worktree: Path, tmp_path: Path) -> None:
    (tmp_path / "CLAUDE.md").write_text("the server's")
    (worktree / "out").symlink_to(tmp_path)
    assert read_instructions(worktree, "out") is None
    assert read_instructions(worktree, "missing") is None


async def test_the_copy_is_private_and_goes_away(tmp_path: Path) -> None:
    async with scratch_directory(tmp_path / "parent") as scratch:
        write_private(scratch / "text", b"text")
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
        assert stat.S_IMODE((scratch / "text").stat().st_mode) == 0o600
        assert (scratch / "text").read_text() == "text"
    assert not scratch.exists()
