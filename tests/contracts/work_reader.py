"""What every WorkReader promises, whatever keeps the work."""

import pytest

from agent_core.domain.errors import RepoStoreError
from agent_core.ports import RepoStore, WorkReader, Worktree
from tests.contracts.repo_store import ACME, NOON, RepoStage, allow

FILES = {
    "a.txt": "one\ntwo\n",
    ".github/PULL_REQUEST_TEMPLATE.md": "What and why\n",
    "docs/Guide.md": "A guide\n",
    "long.md": "x" * (64 * 1024 + 1),
    "none.md": "no text\0\n",
}
MAX_DIFF = 16 * 2**20


class WorkReaderContract:
    """Inherit, and provide the fixture `stage`."""

    @pytest.fixture
    def store(self, stage: RepoStage) -> RepoStore:
        stage.make_origin(FILES)
        return stage.store

    @pytest.fixture
    async def worktree(self, store: RepoStore) -> Worktree:
        await store.refresh(ACME)
        return await store.open_worktree(ACME, "job-2", "feature/x", "main", name="job-1", withheld=[".env"])

    @pytest.fixture
    def reader(self, stage: RepoStage) -> WorkReader:
        return stage.reader

    # ---------------------------------------------------------------- worktrees
    async def test_the_diff_of_a_worktree_is_its_work_without_what_is_withheld(
        self, worktree: Worktree, reader: WorkReader, stage: RepoStage
    ) -> None:
        assert await reader.diff_of_worktree(ACME, "job-1") == ""
        stage.edit(worktree, "a.txt", "one\ntwo\nthree\n")
        stage.edit(worktree, "new.txt", "new\n")
        stage.edit(worktree, "docs/Guide.md", None)
        stage.edit(worktree, ".env", "secret\n")
        diff = await reader.diff_of_worktree(ACME, "job-1")
        assert "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,3 @@\n one\n two\n+three\n" in diff
        assert "--- /dev/null\n+++ b/new.txt\n" in diff
        assert "--- a/docs/Guide.md\n+++ /dev/null\n" in diff
        assert "secret" not in diff
        stage.edit(worktree, "a.txt", FILES["a.txt"])
        assert "three" not in await reader.diff_of_worktree(ACME, "job-1")

    async def test_reading_changes_nothing_for_publishing(
        self, store: RepoStore, worktree: Worktree, reader: WorkReader, stage: RepoStage
    ) -> None:
        stage.edit(worktree, "a.txt", "changed\n")
        await reader.diff_of_worktree(ACME, "job-1")
        stage.edit(worktree, "a.txt", "changed again\n")
        await store.publish(worktree, "Work", NOON, allow)
        assert stage.files_at_origin("feature/x")["a.txt"] == "changed again\n"
        assert "+changed again\n" in await reader.diff_of_worktree(ACME, "job-1")

    async def test_a_worktree_that_is_gone_has_no_diff(
        self, store: RepoStore, worktree: Worktree, reader: WorkReader, stage: RepoStage
    ) -> None:
        for name in ("nobody", "job-2"):
            with pytest.raises(RepoStoreError) as caught:
                await reader.diff_of_worktree(ACME, name)
            assert caught.value.code == "work_gone"
        stage.lose(worktree)
        with pytest.raises(RepoStoreError) as caught:
            await reader.diff_of_worktree(ACME, "job-1")
        assert caught.value.code == "work_gone"

    async def test_a_diff_that_is_too_large_is_refused(
        self, worktree: Worktree, reader: WorkReader, stage: RepoStage
    ) -> None:
        stage.edit(worktree, "large.txt", "0123456789abcde\n" * (MAX_DIFF // 16 + 1))
        with pytest.raises(RepoStoreError) as caught:
            await reader.diff_of_worktree(ACME, "job-1")
        assert (caught.value.code, caught.value.transient) == ("diff_too_large", False)

    # ---------------------------------------------------------------- commits
    async def test_the_diff_of_a_commit_is_what_it_changed_whether_kept_or_pushed(
        self, store: RepoStore, worktree: Worktree, reader: WorkReader, stage: RepoStage
    ) -> None:
        stage.edit(worktree, "a.txt", "one\n")
        diff = await reader.diff_of_worktree(ACME, "job-1")
        ref = await store.keep(worktree, "Kept", NOON)
        assert ref is not None
        pushed = await store.publish(worktree, "Work", NOON, allow)
        await store.close_worktree(ACME, worktree.name)
        assert "@@ -1,2 +1 @@\n one\n-two\n" in diff
        assert await reader.diff_of_commit(ACME, ref) == diff
        assert await reader.diff_of_commit(ACME, pushed.commit_sha) == diff
        stat = await reader.stat_of_commit(ACME, pushed.commit_sha)
        assert "a.txt | 1" in stat
        assert "docs" not in stat

    async def test_the_diff_of_a_first_commit_is_all_of_it(
        self, worktree: Worktree, reader: WorkReader, stage: RepoStage
    ) -> None:
        assert "+++ b/docs/Guide.md\n" in await reader.diff_of_commit(ACME, worktree.base_sha)

    @pytest.mark.parametrize("revision", ["0" * 40, "refs/agent/kept/nobody", "--output=/tmp/x", "HEAD..", ""])
    async def test_a_commit_that_is_gone_has_no_diff(
        self, worktree: Worktree, reader: WorkReader, revision: str
    ) -> None:
        for look in (reader.diff_of_commit, reader.stat_of_commit):
            with pytest.raises(RepoStoreError) as caught:
                await look(ACME, revision)
            assert caught.value.code == "work_gone"

    async def test_a_repository_that_is_gone_has_no_work(
        self, store: RepoStore, worktree: Worktree, reader: WorkReader
    ) -> None:
        await store.remove(ACME)
        for look in (reader.diff_of_commit(ACME, worktree.base_sha), reader.diff_of_worktree(ACME, worktree.name)):
            with pytest.raises(RepoStoreError) as caught:
                await look
            assert caught.value.code == "work_gone"

    # ---------------------------------------------------------------- texts
    async def test_a_text_at_the_base_is_found_in_any_letter_case_and_in_the_order_asked(
        self, worktree: Worktree, reader: WorkReader, stage: RepoStage
    ) -> None:
        stage.edit(worktree, "docs/Guide.md", "changed\n")
        paths = ["pull_request_template.md", ".github/pull_request_template.md", "DOCS/GUIDE.md"]
        assert await reader.text_at_base(worktree, paths) == "What and why\n"
        assert await reader.text_at_base(worktree, paths[::-1]) == "A guide\n"
        assert await reader.text_at_base(worktree, ["nothing.md", "docs"]) is None

    async def test_what_is_long_or_no_text_counts_as_missing(self, worktree: Worktree, reader: WorkReader) -> None:
        assert await reader.text_at_base(worktree, ["long.md", "none.md"]) is None
        assert await reader.text_at_base(worktree, ["long.md", "none.md", "docs/guide.md"]) == "A guide\n"
