"""The pages lead somewhere, and name what there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from agent_http.app import make_app
from agent_http.authority import Authority
from agent_http.metrics import CountedNotifier, metrics
from fakes.core import make_core
from fakes.notifier import FakeNotifier

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")


def prose(page: Path) -> str:
    """The page without code, whose brackets are no links."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", lambda code: code[0] if "](" not in code[0] else "", text)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> Iterator[str]:
    for link in (one or other for one, other in _LINK.findall(prose(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_something(page: Path) -> None:
    assert list(broken(page)) == []


async def test_the_page_of_the_metrics_names_all_there_are_and_no_other() -> None:
    registry = CollectorRegistry()
    core = make_core(notifier=CountedNotifier(FakeNotifier(), registry))
    app = make_app(core, Authority("a-secret-of-decent-length"), parts=[metrics(core, registry)])
    async with TestClient(TestServer(app)):
        there = {f"{it.name}{'_total' if it.type == 'counter' else ''}" for it in registry.collect()}
    text = (ROOT / "docs" / "metrics.md").read_text()
    listed = re.findall(r"^\| `(agent_server_\w+)`", text, re.MULTILINE)
    ours = {name for name in there if name.startswith("agent_server")}
    assert (set(listed), len(listed)) == (ours, len(ours))
    endings = re.compile(r"_(bucket|sum|count)$")
    assert {endings.sub("", name) for name in re.findall(r"agent_server_\w+", text)} == ours
