"""The store over real git, and the reader beside it, keep their ports' promises."""

from pathlib import Path

import pytest

from tests.contracts.repo_store import RepoStoreContract
from tests.contracts.repo_store_sharing import RepoStoreSharingContract
from tests.contracts.work_reader import WorkReaderContract
from tests.integration.git_origins import GitStage


class TestGitRepoStore(RepoStoreContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> GitStage:
        return GitStage(tmp_path)


class TestGitRepoStoreSharing(RepoStoreSharingContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> GitStage:
        return GitStage(tmp_path)


class TestGitWorkReader(WorkReaderContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> GitStage:
        return GitStage(tmp_path)
