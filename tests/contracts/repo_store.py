"""What every RepoStore promises, whatever it keeps its repositories in."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from agent_core.domain.client import Repository
from agent_core.domain.errors import RepoStoreError, WorldError
from agent_core.domain.publish_policy import FileChange
from agent_core.ports import RepoStore, WorkReader, Worktree

ACME = Repository(org="acme", name="shop", directory="shop")
NOON = datetime(2025, 1, 7, 12, tzinfo=UTC)
FAR_FUTURE = datetime(2099, 1, 1, tzinfo=UTC)
FAR_PAST = datetime(2001, 1, 1, tzinfo=UTC)


def allow(_: Sequence[FileChange]) -> None:
    """Let everything be published."""


def refuse(changes: Sequence[FileChange]) -> None:
    """Let nothing be published."""
    raise WorldError(f"Not {changes[0].path}", code="blocked_by_policy")


class RepoStage(Protocol):
    """A store with a reader of its work, and a hand on its origins and worktrees. All files are text."""

    store: RepoStore
    reader: WorkReader

    def make_origin(self, files: Mapping[str, str], default_branch: str = "main") -> None:
        """Make the origin of ACME; without files it is empty."""
        ...

    def commit_at_origin(self, branch: str, files: Mapping[str, str | None]) -> str:
        """Commit as somebody else does; a new branch begins at the default one. Return the commit."""
        ...

    def rename_default_at_origin(self, name: str) -> None:
        """Rename the default branch."""
        ...

    def delete_at_origin(self, branch: str) -> None:
        """Delete a branch."""
        ...

    def tip(self, branch: str) -> str | None:
        """The branch's commit at the origin."""
        ...

    def files_at_origin(self, branch: str) -> Mapping[str, str]:
        """The branch's files at the origin."""
        ...

    def lose_origin(self) -> None:
        """Take the origin away."""
        ...

    def edit(self, worktree: Worktree, path: str, text: str | None) -> None:
        """Write or delete a file of a worktree."""
        ...

    def files(self, worktree: Worktree) -> Mapping[str, str]:
        """The worktree's files."""
        ...

    def lose(self, worktree: Worktree) -> None:
        """Take the worktree away behind the store's back."""
        ...

    def tamper(self) -> None:
        """Add the hook `pre-push` to the shared repository, as an agent can."""
        ...

    def kept(self, ref: str) -> Mapping[str, str]:
        """The files saved under a ref of the bare repository."""
        ...


class RepoStoreContract:
    """Inherit, and provide the fixture `stage`."""

    @pytest.fixture
    def store(self, stage: RepoStage) -> RepoStore:
        stage.make_origin({"a.txt": "one\n", "dir/b.txt": "two\n"})
        return stage.store

    async def opened(self, store: RepoStore, job_id: str = "job-1", branch: str = "feature/x") -> Worktree:
        await store.refresh(ACME)
        return await store.open_worktree(ACME, job_id, branch, "main")

    # ---------------------------------------------------------------- bare repositories
    async def test_a_repository_is_found_once_it_was_cloned(self, store: RepoStore) -> None:
        assert store.find(ACME) is None
        bare = await store.refresh(ACME)
        assert store.find(ACME) == bare.path
        assert bare.path.name == "shop.git"

    async def test_refreshing_tells_the_default_branch_of_the_origin(self, store: RepoStore) -> None:
        assert (await store.refresh(ACME)).default_branch == "main"

    async def test_a_renamed_default_branch_is_followed(self, store: RepoStore, stage: RepoStage) -> None:
        await store.refresh(ACME)
        stage.rename_default_at_origin("trunk")
        assert (await store.refresh(ACME)).default_branch == "trunk"

    async def test_an_empty_origin_is_cloned_but_has_nothing_to_start_from(self, stage: RepoStage) -> None:
        stage.make_origin({})
        assert (await stage.store.refresh(ACME)).default_branch is None
        with pytest.raises(RepoStoreError) as caught:
            await stage.store.open_worktree(ACME, "job-1", "feature/x", "main")
        assert caught.value.code == "no_default_branch"

    async def test_an_origin_that_is_not_there_cannot_be_cloned(self, stage: RepoStage) -> None:
        with pytest.raises(RepoStoreError) as caught:
            await stage.store.refresh(ACME)
        assert (caught.value.code, caught.value.transient) == ("clone_failed", False)
        assert stage.store.find(ACME) is None

    async def test_an_origin_that_went_away_cannot_be_fetched(self, store: RepoStore, stage: RepoStage) -> None:
        await store.refresh(ACME)
        stage.lose_origin()
        with pytest.raises(RepoStoreError) as caught:
            await store.refresh(ACME)
        assert caught.value.code == "fetch_failed"
        assert store.find(ACME)

    async def test_the_clone_of_another_repository_is_not_used(self, store: RepoStore) -> None:
        await store.refresh(ACME)
        with pytest.raises(RepoStoreError) as caught:
            await store.refresh(Repository(org="globex", name="shop", directory="shop"))
        assert caught.value.code == "clone_failed"

    async def test_a_removed_repository_is_gone_with_its_worktrees(self, store: RepoStore) -> None:
        worktree = await self.opened(store)
        assert await store.remove(ACME) is True
        assert store.find(ACME) is None
        assert await store.remove(ACME) is False
        assert (await self.opened(store)).intact is False
        assert worktree.path.name == "job-1"

    # ---------------------------------------------------------------- worktrees
    async def test_a_new_branch_starts_at_the_default_branch(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        assert (worktree.branch, worktree.base_sha, worktree.intact) == ("feature/x", stage.tip("main"), False)
        assert worktree.path.parts[-2:] == ("shop", "job-1")
        assert stage.files(worktree) == {"a.txt": "one\n", "dir/b.txt": "two\n"}

    async def test_a_branch_that_exists_at_the_origin_is_continued(self, store: RepoStore, stage: RepoStage) -> None:
        tip = stage.commit_at_origin("feature/x", {"c.txt": "three\n"})
        worktree = await self.opened(store)
        assert worktree.base_sha == tip
        assert stage.files(worktree)["c.txt"] == "three\n"

    async def test_a_branch_that_was_deleted_at_the_origin_starts_anew(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        stage.commit_at_origin("feature/x", {"c.txt": "three\n"})
        await store.refresh(ACME)
        stage.delete_at_origin("feature/x")
        assert (await self.opened(store)).base_sha == stage.tip("main")

    async def test_an_intact_worktree_is_given_back_as_it_is(self, store: RepoStore, stage: RepoStage) -> None:
        first = await self.opened(store)
        stage.edit(first, "a.txt", "changed\n")
        stage.commit_at_origin("main", {"a.txt": "moved on\n"})
        again = await self.opened(store)
        assert again.intact
        assert (again.path, again.base_sha) == (first.path, first.base_sha)
        assert stage.files(again)["a.txt"] == "changed\n"

    async def test_a_lost_worktree_is_opened_anew(self, store: RepoStore, stage: RepoStage) -> None:
        stage.lose(await self.opened(store))
        again = await self.opened(store)
        assert not again.intact
        assert stage.files(again) == {"a.txt": "one\n", "dir/b.txt": "two\n"}

    async def test_several_worktrees_of_one_repository_are_opened_at_once(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        await store.refresh(ACME)
        opening = [store.open_worktree(ACME, f"job-{n}", f"feature/{n}", "main") for n in range(4)]
        worktrees = await asyncio.gather(*opening)
        assert len({worktree.path for worktree in worktrees}) == 4
        stage.edit(worktrees[0], "a.txt", "only here\n")
        assert stage.files(worktrees[1])["a.txt"] == "one\n"

    async def test_a_branch_is_open_for_one_job_only(self, store: RepoStore) -> None:
        worktree = await self.opened(store, "job-1")
        with pytest.raises(RepoStoreError) as caught:
            await self.opened(store, "job-2")
        assert caught.value.code == "worktree_failed"
        assert "job-1" in str(caught.value)
        await store.close_worktree(ACME, worktree.job_id)
        assert (await self.opened(store, "job-2")).branch == "feature/x"

    async def test_a_closed_worktree_is_gone_and_may_be_closed_again(self, store: RepoStore) -> None:
        worktree = await self.opened(store)
        await store.close_worktree(ACME, worktree.job_id)
        await store.close_worktree(ACME, worktree.job_id)
        assert not worktree.path.exists()
        assert (await self.opened(store)).intact is False

    # ---------------------------------------------------------------- publishing
    async def test_published_files_are_one_commit_on_the_branch(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "changed\n")
        stage.edit(worktree, "new/c.txt", "three\n")
        stage.edit(worktree, "dir/b.txt", None)
        published = await store.publish(worktree, "Work", NOON, allow)
        assert (published.commit_sha, published.changed, published.ahead) == (stage.tip("feature/x"), True, True)
        assert published.files_changed == 3
        assert stage.files_at_origin("feature/x") == {"a.txt": "changed\n", "new/c.txt": "three\n"}
        assert stage.tip("main") == worktree.base_sha

    async def test_publishing_again_finds_its_own_push(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "changed\n")
        first = await store.publish(worktree, "Work", NOON, allow)
        assert await store.publish(worktree, "Work", NOON, allow) == first
        assert stage.tip("feature/x") == first.commit_sha

    async def test_the_same_files_at_another_time_are_found_too(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "changed\n")
        first = await store.publish(worktree, "Work", NOON, allow)
        assert await store.publish(worktree, "Work", NOON + timedelta(minutes=5), allow) == first

    async def test_nothing_changed_pushes_nothing(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        published = await store.publish(worktree, "Work", NOON, allow)
        assert (published.commit_sha, published.changed, published.ahead) == (worktree.base_sha, False, False)
        assert published.files_changed == 0
        assert stage.tip("feature/x") is None

    async def test_a_continued_branch_is_ahead_without_changes(self, store: RepoStore, stage: RepoStage) -> None:
        tip = stage.commit_at_origin("feature/x", {"c.txt": "three\n"})
        published = await store.publish(await self.opened(store), "Work", NOON, allow)
        assert (published.commit_sha, published.changed, published.ahead) == (tip, False, True)

    async def test_a_continued_branch_that_was_merged_is_not_ahead(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "changed\n")
        await store.publish(worktree, "Work", NOON, allow)
        await store.close_worktree(ACME, worktree.job_id)
        stage.commit_at_origin("main", {"a.txt": "changed\n"})
        published = await store.publish(await self.opened(store, "job-2"), "More", NOON, allow)
        assert (published.changed, published.ahead) == (False, False)

    async def test_somebody_elses_commits_are_not_overwritten(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "ours\n")
        theirs = stage.commit_at_origin("feature/x", {"a.txt": "theirs\n"})
        with pytest.raises(RepoStoreError) as caught:
            await store.publish(worktree, "Work", NOON, allow)
        assert (caught.value.code, caught.value.transient) == ("push_rejected", False)
        assert "feature/x" in str(caught.value)
        assert stage.tip("feature/x") == theirs

    async def test_a_lost_worktree_is_not_a_commit_that_deletes_everything(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        worktree = await self.opened(store)
        stage.lose(worktree)
        with pytest.raises(RepoStoreError) as caught:
            await store.publish(worktree, "Work", NOON, allow)
        assert caught.value.code == "worktree_lost"
        assert stage.tip("feature/x") is None

    # ---------------------------------------------------------------- what may be published
    async def test_what_would_be_pushed_is_shown_before_it_is(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "zero\none\none\n")
        stage.edit(worktree, "dir/b.txt", None)
        stage.edit(worktree, "new/ü c.txt", "drei €\n")
        stage.edit(worktree, "new/empty", "")
        shown: list[FileChange] = []

        def look(changes: Sequence[FileChange]) -> None:
            assert stage.tip("feature/x") is None
            shown.extend(changes)

        published = await store.publish(worktree, "Work", NOON, look)
        assert published.commit_sha == stage.tip("feature/x")
        assert shown == [
            FileChange(path="a.txt", size=13, added="zero\none\n"),
            FileChange(path="dir/b.txt", size=0),
            FileChange(path="new/empty", size=0),
            FileChange(path="new/ü c.txt", size=9, added="drei €\n"),
        ]

    async def test_only_the_difference_to_the_continued_branch_is_shown(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        stage.commit_at_origin("feature/x", {"c.txt": "three\n"})
        worktree = await self.opened(store)
        stage.edit(worktree, "c.txt", "three\nfour\n")
        shown: list[FileChange] = []
        await store.publish(worktree, "Work", NOON, shown.extend)
        assert shown == [FileChange(path="c.txt", size=11, added="four\n")]

    async def test_what_is_refused_is_not_pushed_and_can_be_kept(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "changed\n")
        for _ in range(2):
            with pytest.raises(WorldError, match=r"Not a\.txt"):
                await store.publish(worktree, "Work", NOON, refuse)
        assert stage.tip("feature/x") is None
        ref = await store.keep(worktree, "Kept", NOON)
        assert ref is not None
        assert stage.kept(ref)["a.txt"] == "changed\n"

    async def test_where_nothing_changed_nothing_is_asked(self, store: RepoStore) -> None:
        assert not (await store.publish(await self.opened(store), "Work", NOON, refuse)).changed

    async def test_a_job_that_changes_the_shared_repository_pushes_nothing(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "changed\n")
        stage.tamper()
        for _ in range(2):
            with pytest.raises(RepoStoreError, match="hooks/pre-push") as caught:
                await store.publish(worktree, "Work", NOON, allow)
            assert (caught.value.code, caught.value.transient) == ("repository_tampered", False)
        assert stage.tip("feature/x") is None
        assert await store.keep(worktree, "Kept", NOON)
        await store.close_worktree(ACME, worktree.job_id)
        again = await self.opened(store, "job-2")
        stage.edit(again, "a.txt", "changed\n")
        assert (await store.publish(again, "Work", NOON, allow)).changed

    async def test_a_change_that_another_job_came_upon_counts_for_those_that_were_open(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        first = await self.opened(store)
        stage.edit(first, "a.txt", "changed\n")
        stage.tamper()
        later = await self.opened(store, "job-2", "feature/y")
        stage.edit(later, "a.txt", "changed too\n")
        assert (await store.publish(later, "Work", NOON, allow)).changed
        with pytest.raises(RepoStoreError) as caught:
            await store.publish(first, "Work", NOON, allow)
        assert caught.value.code == "repository_tampered"

    # ---------------------------------------------------------------- kept work, sweeping
    async def test_kept_work_outlives_its_worktree(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        stage.edit(worktree, "a.txt", "unfinished\n")
        ref = await store.keep(worktree, "Unfinished", NOON)
        assert ref == "refs/agent/kept/job-1"
        await store.close_worktree(ACME, worktree.job_id)
        await store.refresh(ACME)
        assert stage.kept(ref) == {"a.txt": "unfinished\n", "dir/b.txt": "two\n"}
        assert stage.tip("feature/x") is None

    async def test_nothing_is_kept_where_nothing_is(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store)
        assert await store.keep(worktree, "Unfinished", NOON) is None
        stage.lose(worktree)
        assert await store.keep(worktree, "Unfinished", NOON) is None

    async def test_a_sweep_takes_what_no_active_job_has_used_lately(self, store: RepoStore, stage: RepoStage) -> None:
        idle = await self.opened(store, "job-1", "feature/1")
        active = await self.opened(store, "job-2", "feature/2")
        assert list(await store.sweep({"job-2"}, FAR_PAST)) == []
        assert list(await store.sweep({"job-2"}, FAR_FUTURE)) == [idle.path]
        assert stage.files(active) == {"a.txt": "one\n", "dir/b.txt": "two\n"}
        assert (await self.opened(store, "job-2", "feature/2")).intact
        assert not (await self.opened(store, "job-3", "feature/1")).intact
