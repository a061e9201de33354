"""What a form says of a client beside its settings, judged by the core's own rules. Pure."""

from collections.abc import Callable, Mapping

from agent_core.domain.errors import InvalidValue
from agent_core.domain.request_rules import check_default_branch, check_repository
from agent_core.domain.text_rules import MAX_NAME, check_line

_RULES: Mapping[str, Callable[[str], None]] = {
    "name": lambda text: check_line("name", text, MAX_NAME),
    "githubOrg": lambda text: check_repository(text, "repo"),
    "githubRepo": lambda text: check_repository("org", text),
    "defaultBranch": check_default_branch,
    "osClientId": lambda text: check_line("osClientId", text, MAX_NAME),
}
FACTS = tuple(_RULES)
"""The names of the fields, as the API has them."""


def faults_of(facts: Mapping[str, str]) -> Mapping[str, str]:
    """Return what is wrong, by field."""
    faults = {}
    for name, text in facts.items():
        try:
            _RULES[name](text)
        except InvalidValue as error:
            faults[name] = plain(error)
    return faults


def plain(error: InvalidValue) -> str:
    """Return what is said against the value, without the field's name in front."""
    return str(error).removeprefix(f"{error.field}: ")
