"""The test's hand on `fakes/bin/gh`: its pull requests, its faults, what it was called with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

PROGRAM = Path(__file__).parent / "bin" / "gh"


@frozen
class GhStandin:
    """A stand-in's files below a gh configuration directory. Give the program `environ`."""

    config_dir: Path
    _files: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_files", self.config_dir / "standin")
        self._files.mkdir(parents=True, exist_ok=True)

    @property
    def environ(self) -> Mapping[str, str]:
        """What leads the program to these files."""
        return {"GH_CONFIG_DIR": str(self.config_dir)}

    @property
    def pulls(self) -> list[dict[str, Any]]:
        """The pull requests, oldest first: org, repo, number, head, base, title, body, draft, state, html_url, labels,
        reviewers, teams, reviews."""
        path = self._files / "pulls.json"
        return list(json.loads(path.read_text())) if path.exists() else []

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls so far: argv, input, env, cwd, pid."""
        path = self._files / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def fail(self, *faults: str, on: str = "any") -> None:
        """Let the next calls of this kind fail so, one each. Kinds and faults: see the program."""
        path = self._files / "faults.json"
        rules = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps(rules + [{"on": on, "do": fault} for fault in faults]))

    def configure(self, **config: Any) -> None:
        """Set `origins` (a template of bare repositories with {org} and {repo}), `changed_files`, `heads`, `drafts`,
        `outsiders`."""
        (self._files / "config.json").write_text(json.dumps(config))

    def close(self, number: int) -> None:
        """Close the pull requests of this number."""
        self._change(number, state="closed")

    def review(self, number: int, login: str) -> None:
        """Give a review, which answers all that were asked for."""
        self._change(number, reviewers=[], teams=[], reviews=[{"user": {"login": login}, "state": "COMMENTED"}])

    def _change(self, number: int, **facts: Any) -> None:
        pulls = [{**pull, **facts} if pull["number"] == number else pull for pull in self.pulls]
        (self._files / "pulls.json").write_text(json.dumps(pulls))
