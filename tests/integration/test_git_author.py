"""The server's commits: the objects that git would make."""

import os
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_adapters.git.author import Author
from tests.contracts.repo_store import ACME
from tests.integration.git_origins import GitStage

NONCHARACTERS = [*range(0xFDD0, 0xFDF0), *(plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF))]
UNLIKE_GIT = "\0" + "".join(map(chr, NONCHARACTERS))
NAMES = st.text(st.sampled_from("aé'.,;:<>\"\\ -@\n"), max_size=8).map(lambda text: f"{text}a{text}")
MESSAGES = st.text(st.sampled_from("aé#\n\r \t-") | st.characters(codec="utf-8", exclude_characters=UNLIKE_GIT))
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as it wants them


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> GitStage:
    stage = GitStage(tmp_path_factory.mktemp("author"))
    stage.bare.mkdir(parents=True)
    stage.git("init", "-q", "--bare", at=stage.bare)
    return stage


@settings(max_examples=25)
@given(name=NAMES, email=NAMES, message=MESSAGES, at=TIMES)
async def test_a_commit_is_the_one_that_git_makes(
    stage: GitStage, name: str, email: str, message: str, at: datetime
) -> None:
    tree = stage.git("write-tree", at=stage.bare)
    when = f"@{int(at.timestamp())} +0000"
    for role in ("AUTHOR", "COMMITTER"):
        stage.environ |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": email, f"GIT_{role}_DATE": when}
    parent = stage.git("commit-tree", tree, "-m", "first", at=stage.bare)
    wanted = stage.git("commit-tree", tree, "-p", parent, "-F", "-", at=stage.bare, stdin=message)
    clone = stage.store.clones.of(ACME)
    (stage.bare / "objects" / wanted[:2] / wanted[2:]).unlink()
    assert await Author(name, email).commit(clone, tree, parent, message, at) == wanted
    assert stage.git("cat-file", "-t", wanted, at=stage.bare) == "commit"


async def test_a_commit_that_is_there_is_made_new_by_its_times_and_not_written_again(stage: GitStage) -> None:
    clone = stage.store.clones.of(ACME)
    tree = stage.git("write-tree", at=stage.bare)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    made = await Author("a", "a").commit(clone, tree, "1" * 40, "Work", at)
    place = stage.bare / "objects" / made[:2] / made[2:]
    os.utime(place, (0, 0))
    before = place.stat()
    assert await Author("a", "a").commit(clone, tree, "1" * 40, "Work", at) == made
    assert (place.stat().st_ino, place.stat().st_mtime > before.st_mtime) == (before.st_ino, True)
    assert not list(place.parent.glob("tmp_obj_*"))
