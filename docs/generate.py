"""Writes what of the documentation is made from the code: `python -m docs.generate`.

A part of a page stands between the comments `<!-- begin: NAME -->` and `<!-- end: NAME -->`; some files are made as a
whole.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from agent_core.domain.job import FINAL_STATES, JobState
from agent_core.domain.lifecycle import TRANSITIONS
from agent_http.app import routes
from agent_http.openapi import openapi_document, written
from agent_http.settings import configuration_table
from fakes.core import make_core


def lifecycle_diagram() -> str:
    """Draw the table of transitions as a Mermaid state diagram, with one arrow per pair of states."""
    arrows: defaultdict[tuple[JobState, JobState], list[str]] = defaultdict(list)
    for event, moves in TRANSITIONS.items():
        for before, after in moves.items():
            arrows[before, after].append(event.__name__)
    order = list(JobState)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {JobState.QUEUED}"]
    for before, after in sorted(arrows, key=lambda arrow: (order.index(arrow[0]), order.index(arrow[1]))):
        lines.append(f"    {before} --> {after}: {', '.join(arrows[before, after])}")
    lines += [f"    {state} --> [*]" for state in order if state in FINAL_STATES]
    return "\n".join([*lines, "```", ""])


def contract() -> str:
    """Write the OpenAPI document of the REST API."""
    return written(openapi_document(routes(make_core())))


PARTS: Mapping[tuple[Path, str], Callable[[], str]] = {
    (Path(__file__).with_name("architecture.md"), "lifecycle"): lifecycle_diagram,
    (Path(__file__).with_name("configuration.md"), "settings"): configuration_table,
}

WHOLE: Mapping[Path, Callable[[], str]] = {Path(__file__).with_name("openapi.json"): contract}


def split(page: str, name: str) -> tuple[str, str, str]:
    """Cut a page into what comes before the part, the part, and what comes after. Raises ValueError without one."""
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
    before, found_begin, rest = page.partition(begin)
    part, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the page has no part {name!r}")
    return before + begin, part, end + after


def main() -> None:
    """Bring every part and every file up to date."""
    for (path, name), make in PARTS.items():
        before, _, after = split(path.read_text(), name)
        path.write_text(before + make() + after)
    for path, make in WHOLE.items():
        path.write_text(make())


if __name__ == "__main__":
    main()
