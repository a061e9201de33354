"""The store over real git keeps the port's promises."""

from pathlib import Path

import pytest

from tests.contracts.repo_store import RepoStoreContract
from tests.integration.git_origins import GitStage


class TestGitRepoStore(RepoStoreContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> GitStage:
        return GitStage(tmp_path)
