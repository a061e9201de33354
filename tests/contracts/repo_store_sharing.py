"""What every RepoStore promises to jobs that follow each other, and about files that are no part of the work."""

from collections.abc import Sequence

import pytest

from agent_core.ports import RepoStore, Worktree
from tests.contracts.repo_store import ACME, FAR_FUTURE, NOON, RepoStage, allow

FILES = {"a.txt": "one\n", "conf/local.yml": "two\n", "conf/shared.yml": "three\n"}


class RepoStoreSharingContract:
    """Inherit, and provide the fixture `stage`."""

    @pytest.fixture
    def store(self, stage: RepoStage) -> RepoStore:
        stage.make_origin(FILES)
        return stage.store

    async def opened(
        self,
        store: RepoStore,
        job_id: str = "job-1",
        *,
        name: str | None = None,
        withheld: Sequence[str] = (),
        kept_ref: str | None = None,
    ) -> Worktree:
        await store.refresh(ACME)
        return await store.open_worktree(
            ACME, job_id, "feature/x", "main", name=name, withheld=withheld, kept_ref=kept_ref
        )

    async def kept(self, store: RepoStore, stage: RepoStage, path: str = "a.txt", text: str = "kept\n") -> str:
        """Let a job fail with this change, and return where its work is."""
        worktree = await self.opened(store)
        stage.edit(worktree, path, text)
        ref = await store.keep(worktree, "Kept", NOON)
        assert ref is not None
        await store.close_worktree(ACME, worktree.name)
        return ref

    # ---------------------------------------------------------------- one after another
    async def test_a_look_at_the_origin_that_is_shared_is_never_older_than_what_was_pushed_from_here(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        first = await self.opened(store)
        stage.edit(first, "a.txt", "changed\n")
        published = await store.publish(first, "Work", NOON, allow)
        await store.close_worktree(ACME, first.name)
        assert (await store.refresh(ACME, max_age=3600)).default_branch == "main"
        second = await store.open_worktree(ACME, "job-2", "feature/x", "main")
        assert second.base_sha == published.commit_sha
        assert stage.files(second)["a.txt"] == "changed\n"

    async def test_a_worktree_that_ended_well_leaves_nothing_to_the_next(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        first = await self.opened(store)
        stage.edit(first, "a.txt", "changed\n")
        stage.edit(first, "new.txt", "new\n")
        await store.close_worktree(ACME, first.name, reusable=True)
        await store.close_worktree(ACME, first.name, reusable=True)
        assert stage.files(await self.opened(store, "job-2")) == FILES

    # ---------------------------------------------------------------- names
    async def test_a_worktree_is_named_by_its_job_unless_another_name_is_told(self, store: RepoStore) -> None:
        own = await self.opened(store)
        assert (own.name, own.path.name) == ("job-1", "job-1")
        await store.close_worktree(ACME, "job-1")
        named = await self.opened(store, "job-2", name="job-1")
        assert (named.name, named.job_id, named.path) == ("job-1", "job-2", own.path)

    async def test_jobs_that_share_a_name_take_turns_and_go_on_from_the_branch(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        first = await self.opened(store)
        stage.edit(first, "a.txt", "first\n")
        await store.publish(first, "First", NOON, allow)
        await store.close_worktree(ACME, first.name)
        second = await self.opened(store, "job-2", name="job-1")
        assert (second.base_sha, second.intact) == (stage.tip("feature/x"), False)
        stage.edit(second, "b.txt", "second\n")
        assert (await self.opened(store, "job-2", name="job-1")).intact
        assert (await store.publish(second, "Second", NOON, allow)).files_changed == 1
        assert stage.files_at_origin("feature/x") == {**FILES, "a.txt": "first\n", "b.txt": "second\n"}

    async def test_work_is_kept_under_the_job_that_did_it(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store, "job-2", name="job-1")
        stage.edit(worktree, "a.txt", "kept\n")
        assert await store.keep(worktree, "Kept", NOON) == "refs/agent/kept/job-2"

    async def test_what_another_job_left_under_the_name_is_kept_as_its_own_and_not_gone_on_with(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        left = await self.opened(store, withheld=["conf/local.yml"])
        stage.edit(left, "a.txt", "left\n")
        stage.edit(left, "conf/local.yml", "secret\n")
        second = await self.opened(store, "job-2", name="job-1")
        assert (second.intact, second.withheld) == (False, ())
        assert stage.files(second) == FILES
        assert stage.kept("refs/agent/kept/job-1") == {**FILES, "a.txt": "left\n"}

    async def test_a_sweep_knows_worktrees_by_their_names(self, store: RepoStore) -> None:
        worktree = await self.opened(store, "job-2", name="job-1")
        assert list(await store.sweep({"job-1"}, FAR_FUTURE)) == []
        assert list(await store.sweep({"job-2"}, FAR_FUTURE)) == [worktree.path]

    # ---------------------------------------------------------------- what is withheld
    async def test_what_is_withheld_is_never_published_or_kept(self, store: RepoStore, stage: RepoStage) -> None:
        withheld = (".env", "conf/local.yml", "secrets", "not/there", "odd [x]*?.txt")
        worktree = await self.opened(store, withheld=withheld)
        assert worktree.withheld == withheld
        for path in (".env", "conf/local.yml", "secrets/deep/key", "odd [x]*?.txt"):
            stage.edit(worktree, path, "secret\n")
        assert await store.keep(worktree, "Kept", NOON) is None
        assert not (await store.publish(worktree, "Work", NOON, allow)).changed
        for path in ("conf/shared.yml", ".env.example", "secrets.txt", "odd x.txt", "conf/.env"):
            stage.edit(worktree, path, "work\n")
        shown: list[str] = []
        published = await store.publish(worktree, "Work", NOON, lambda found: shown.extend(file.path for file in found))
        assert published.files_changed == 5
        work = dict.fromkeys((".env.example", "conf/.env", "conf/shared.yml", "odd x.txt", "secrets.txt"), "work\n")
        assert shown == list(work)
        assert stage.files_at_origin("feature/x") == {**FILES, **work}
        ref = await store.keep(worktree, "Kept", NOON)
        assert ref
        assert stage.kept(ref) == {**FILES, **work}

    async def test_a_withheld_file_that_is_deleted_stays_at_the_origin(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        worktree = await self.opened(store, withheld=["conf/local.yml"])
        stage.edit(worktree, "conf/local.yml", None)
        assert not (await store.publish(worktree, "Work", NOON, allow)).changed

    async def test_what_was_withheld_stays_so_when_the_worktree_is_opened_again(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        await self.opened(store, withheld=[".env"])
        again = await self.opened(store, withheld=["b.txt", ".env"])
        assert (again.intact, again.withheld) == (True, (".env", "b.txt"))
        third = await self.opened(store)
        assert third.withheld == (".env", "b.txt")
        for path in third.withheld:
            stage.edit(third, path, "secret\n")
        assert not (await store.publish(third, "Work", NOON, allow)).changed

    # ---------------------------------------------------------------- going on from kept work
    async def test_kept_work_is_opened_on_the_commit_it_began_at(self, store: RepoStore, stage: RepoStage) -> None:
        began = stage.tip("main")
        ref = await self.kept(store, stage)
        stage.commit_at_origin("main", {"later.txt": "later\n"})
        worktree = await self.opened(store, "job-2", name="job-1", kept_ref=ref)
        assert (worktree.has_kept_work, worktree.base_sha, worktree.intact) == (True, began, False)
        assert stage.files(worktree) == {**FILES, "a.txt": "kept\n"}
        again = await self.opened(store, "job-2", name="job-1", kept_ref=ref)
        assert (again.has_kept_work, again.intact) == (True, True)
        published = await store.publish(again, "Promoted", NOON, allow)
        assert (published.changed, published.files_changed) == (True, 1)
        assert stage.files_at_origin("feature/x") == {**FILES, "a.txt": "kept\n"}

    async def test_kept_work_on_a_branch_that_stayed_as_it_was_is_opened(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        tip = stage.commit_at_origin("feature/x", {"theirs.txt": "theirs\n"})
        ref = await self.kept(store, stage)
        worktree = await self.opened(store, "job-2", kept_ref=ref)
        assert (worktree.has_kept_work, worktree.base_sha) == (True, tip)
        assert stage.files(worktree) == {**FILES, "theirs.txt": "theirs\n", "a.txt": "kept\n"}

    async def test_kept_work_is_left_out_where_the_branch_has_gone_on(self, store: RepoStore, stage: RepoStage) -> None:
        ref = await self.kept(store, stage)
        tip = stage.commit_at_origin("feature/x", {"theirs.txt": "theirs\n"})
        worktree = await self.opened(store, "job-2", kept_ref=ref)
        assert (worktree.has_kept_work, worktree.base_sha) == (False, tip)
        assert stage.files(worktree) == {**FILES, "theirs.txt": "theirs\n"}

    async def test_kept_work_is_not_put_on_top_where_the_branch_holds_it(
        self, store: RepoStore, stage: RepoStage
    ) -> None:
        ref = await self.kept(store, stage)
        first = await self.opened(store, "job-2", kept_ref=ref)
        pushed = await store.publish(first, "Promoted", NOON, allow)
        await store.close_worktree(ACME, first.name)
        again = await self.opened(store, "job-2", kept_ref=ref)
        assert (again.has_kept_work, again.base_sha) == (True, pushed.commit_sha)
        assert not (await store.publish(again, "Promoted", NOON, allow)).changed

    async def test_kept_work_that_is_gone_is_left_out(self, store: RepoStore, stage: RepoStage) -> None:
        worktree = await self.opened(store, kept_ref="refs/agent/kept/nobody")
        assert (worktree.has_kept_work, worktree.base_sha) == (False, stage.tip("main"))
