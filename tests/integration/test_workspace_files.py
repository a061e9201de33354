"""LocalWorkspace's files: what a client provides, put into repositories that may be hostile."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from agent_core.domain.errors import WorldError
from tests.integration.process_place import wait_until
from tests.integration.workspace_place import WorkspacePlace


@pytest.fixture
def bench(tmp_path: Path) -> WorkspacePlace:
    return WorkspacePlace(tmp_path)


async def test_a_files_permissions_are_kept_and_no_more_than_those(bench: WorkspacePlace) -> None:
    for name, mode in (("run.sh", 0o755), (".env", 0o600), ("fixed", 0o444), ("setuid", 0o4711)):
        bench.keep("site", f"x/{name}", name)
        (bench.files / "site" / "x" / name).chmod(mode)
    for _ in range(2):
        await bench.workspace.provide(bench.worktree, "site", ["x"])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (bench.worktree / "x").iterdir()}
    assert modes == {"run.sh": 0o755, ".env": 0o600, "fixed": 0o444, "setuid": 0o711}
    assert bench.untouched()


@pytest.mark.parametrize("target", ["{outside}", "apps", "."])
async def test_a_link_in_the_repository_on_the_way_to_a_file_is_refused(bench: WorkspacePlace, target: str) -> None:
    (bench.worktree / "config").symlink_to(target.format(outside=bench.outside))
    bench.keep("site", "config/local.json", "{}")
    bench.keep("site", "config/deep/local.json", "{}")
    for path in ("config/local.json", "config/deep/local.json", "config"):
        assert "'config' is a link or a file there" in await bench.refused(path)
    assert bench.untouched()
    assert not list(bench.worktree.rglob("local.json"))


async def test_a_link_deeper_in_the_repository_is_refused(bench: WorkspacePlace) -> None:
    (bench.worktree / "apps" / "web" / "config").symlink_to(bench.outside)
    bench.keep("site", "apps/web/config/x", "{}")
    assert "'config' is a link or a file there" in await bench.refused("apps")
    assert bench.untouched()


@pytest.mark.parametrize("target", ["{outside}/secret", "{outside}/new", "README.md", ".git", "{outside}"])
async def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(
    bench: WorkspacePlace, target: str
) -> None:
    link = bench.worktree / ".env"
    link.symlink_to(target.format(outside=bench.outside))
    bench.keep("site", ".env", "A=1")
    await bench.workspace.provide(bench.worktree, "site", [".env"])
    assert not link.is_symlink()
    assert (bench.text(".env"), bench.text("README.md")) == ("A=1", "hello")
    assert (bench.outside / "secret").read_text() == "secret"
    assert bench.untouched()


async def test_a_hard_link_in_the_place_of_a_file_leaves_the_other_name_alone(bench: WorkspacePlace) -> None:
    (bench.worktree / ".env").hardlink_to(bench.outside / "secret")
    bench.keep("site", ".env", "A=1")
    await bench.workspace.provide(bench.worktree, "site", [".env"])
    assert (bench.outside / "secret").read_text() == "secret"


async def test_a_directory_in_the_place_of_a_file_is_refused_and_nothing_is_left_over(bench: WorkspacePlace) -> None:
    bench.keep("site", "apps", "text")
    assert "directory" in await bench.refused("apps")
    bench.keep("shop", "README.md/x", "text")
    assert "'README.md' is a link or a file there" in await bench.refused("README.md", source="shop")
    assert bench.untouched()


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".GIT/config",
        ".git/config",
        "vendor/.git/hooks/x",
        "../site/x",
        "../../outside/secret",
        "{site}/x",
        "/x",
    ],
)
async def test_nothing_is_put_into_git_or_outside(bench: WorkspacePlace, path: str) -> None:
    for name in (".git/config", ".GIT/config", "vendor/.git/hooks/x", "x"):
        bench.keep("site", name, "evil")
    path = path.format(site=bench.files / "site")
    assert "a worktree gets nothing at such a path" in await bench.refused(path)
    assert bench.text(".git") == "gitdir: /elsewhere\n"
    assert not (bench.worktree / "vendor").exists()
    assert bench.untouched()


async def test_a_repository_within_a_directory_of_files_is_refused(bench: WorkspacePlace) -> None:
    bench.keep("site", "vendor/.git/config", "evil")
    assert "vendor/.git" in await bench.refused("vendor")


async def test_a_link_among_the_clients_files_is_followed_while_it_stays_there(bench: WorkspacePlace) -> None:
    """As secrets are mounted: `app.json -> ..data/app.json`, `..data -> ..2024`."""
    bench.keep("site", "..2024/app.json", "{}")
    (bench.files / "site" / "..data").symlink_to("..2024")
    (bench.files / "site" / "app.json").symlink_to("..data/app.json")
    (bench.files / "site" / "conf").symlink_to("..data")
    await bench.workspace.provide(bench.worktree, "site", ["app.json", "conf"])
    assert bench.text("app.json") == bench.text("conf/app.json") == "{}"
    assert not (bench.worktree / "app.json").is_symlink()


@pytest.mark.parametrize("target", ["../shop/.env", "{outside}/secret", "{outside}", "/etc/hosts"])
async def test_a_link_that_leads_out_of_the_clients_files_is_refused(bench: WorkspacePlace, target: str) -> None:
    bench.keep("shop", ".env", "theirs")
    bench.keep("site", "x/y", "")
    (bench.files / "site" / "x" / "link").symlink_to(
        target.format(outside=bench.outside) if target[0] != "." else f"../{target}"
    )
    for path in ("x/link", "x"):
        assert "a link that leads out of" in await bench.refused(path)
    assert not (bench.worktree / "x" / "link").exists()


async def test_links_that_lead_in_a_circle_and_what_is_no_file_are_refused(bench: WorkspacePlace) -> None:
    bench.keep("site", "x/a", "")
    (bench.files / "site" / "x" / "up").symlink_to("../x")
    assert "in a circle" in await bench.refused("x")
    (bench.files / "site" / "self").symlink_to("self")
    assert "'self' could not be provided" in await bench.refused("self")
    os.mkfifo(bench.files / "site" / "pipe")
    assert "neither a file nor a directory" in await bench.refused("pipe")


@pytest.mark.parametrize("source", ["", ".", "..", "a/b", "/etc"])
async def test_a_source_that_is_no_plain_name_is_refused(bench: WorkspacePlace, source: str) -> None:
    assert "cannot name" in await bench.refused("hosts", source=source)


async def test_what_a_killed_server_left_beside_the_worktree_is_cleared(bench: WorkspacePlace) -> None:
    bench.keep("site", ".env", "A=1")
    (bench.worktree.parent / ".job-1.file").symlink_to(bench.outside / "secret")
    await bench.workspace.provide(bench.worktree, "site", [".env"])
    assert bench.text(".env") == "A=1"
    assert (bench.outside / "secret").read_text() == "secret"
    assert bench.untouched()


async def test_a_call_that_is_cancelled_returns_when_its_copying_is_over(bench: WorkspacePlace) -> None:
    for number in range(300):
        bench.keep("site", f"many/{number}", "x")
    providing = asyncio.create_task(bench.workspace.provide(bench.worktree, "site", ["many"]))
    await asyncio.to_thread(wait_until, (bench.worktree / "many").exists)
    providing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await providing
    assert len(list((bench.worktree / "many").iterdir())) == 300
    assert bench.untouched()


@pytest.mark.parametrize("directory", ["out", "README.md", "..", "/etc", "x\0y", "loop"])
async def test_a_place_to_start_outside_the_worktree_is_refused(bench: WorkspacePlace, directory: str) -> None:
    (bench.worktree / "out").symlink_to(bench.outside)
    (bench.worktree / "loop").symlink_to("loop")
    with pytest.raises(WorldError, match="is no directory in the worktree"):
        await bench.workspace.provide(bench.worktree, "site", [], directory)
    assert "could not be started" in await bench.problem("true", directory=directory)
