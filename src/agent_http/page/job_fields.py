"""The fields of the forms that make jobs: read from texts, with what is wrong kept beside each."""

from collections.abc import Mapping, Sequence

from agent_core.domain.errors import InvalidValue
from agent_core.domain.job_options import DeliveryMode

FIELDS = (
    "clientId",
    "repository",
    "branchName",
    "prompt",
    "title",
    "priority",
    "deliveryMode",
    "model",
    "maxTurns",
    "maxCostUsd",
    "timeout",
    "osFeatureId",
    "osCallbackUrl",
    "tags",
    "mayChangeNothing",
)
"""By their names in the form, which are those of the API but for `repository` and `mayChangeNothing`."""
MODES: Sequence[tuple[str, str]] = (
    (DeliveryMode.PULL_REQUEST.value, "Pull request"),
    (DeliveryMode.DRAFT.value, "Draft pull request"),
    (DeliveryMode.BRANCH.value, "Branch only"),
    (DeliveryMode.PATCH.value, "Keep as a patch"),
)
"""The ways of delivery, and how they are offered."""
_OF_REPOSITORY = ("githubOrg", "githubRepo")


class JobFields:
    """Reads what was typed. `problems` has a sentence by the name of each field that is wrong."""

    def __init__(self, form: Mapping[str, str]) -> None:
        self._form = form
        self.problems: dict[str, str] = {}

    def text(self, name: str) -> str | None:
        """Return a text as it was typed, or None where there is nothing but blanks."""
        text = self._form.get(name, "")
        return text if text.strip() else None

    def line(self, name: str) -> str | None:
        """Return a text without the blanks around it, or None."""
        return self._form.get(name, "").strip() or None

    def whole_number(self, name: str) -> int | None:
        """Return a whole number, or None where the field is empty."""
        text = self.line(name)
        try:
            return None if text is None else int(text)
        except ValueError:
            self.problems[name] = "must be a whole number"
            return None

    def number(self, name: str) -> float | None:
        """Return a number, or None where the field is empty."""
        text = self.line(name)
        try:
            return None if text is None else float(text.removeprefix("$"))
        except ValueError:
            self.problems[name] = "must be a number"
            return None

    def delivery_mode(self) -> DeliveryMode | None:
        """Return the way of delivery that was chosen, if any."""
        chosen = self.line("deliveryMode")
        try:
            return None if chosen is None else DeliveryMode(chosen)
        except ValueError:
            self.problems["deliveryMode"] = "must be one of those offered"
            return None

    def repository(self) -> tuple[str, str]:
        """Return organisation and name of the repository, which may be typed as its address on GitHub."""
        text = (self.line("repository") or "").rstrip("/").removesuffix(".git")
        for beginning in ("https://", "github.com/", "git@github.com:"):
            text = text.removeprefix(beginning)
        org, slash, name = text.partition("/")
        if not (slash and org and name):
            self.problems["repository"] = "must be an organisation and a repository, as in acme/website"
        return org, name

    def tags(self) -> dict[str, str]:
        """Return the tags, which are typed as `name=value`, one a line."""
        tags: dict[str, str] = {}
        for typed in self._form.get("tags", "").splitlines():
            name, equals, value = (part.strip() for part in typed.partition("="))
            if equals:
                tags[name] = value
            elif name:
                self.problems["tags"] = f"must be name=value, one a line: {name[:64]!r} has no ="
        return tags

    def refuse(self, error: InvalidValue) -> None:
        """Keep what the core says of a field, beside that field; where there is no such field, for the whole form."""
        name = error.field.partition(".")[0]
        if name in _OF_REPOSITORY:
            name = "repository"
        sentence = str(error).removeprefix(f"{error.field}: ")
        if name in FIELDS:
            self.problems[name] = sentence
        else:
            self.problems[""] = str(error)
