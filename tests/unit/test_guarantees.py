"""The page of guarantees names tests that exist, and leaves no promise and no fault out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "guarantees.md").read_text()
NAMED = re.compile(r"`((?:unit|integration)/\w+\.py)::([\w:]+)`")


def classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def names_in(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name


def is_case(target: ast.expr) -> TypeGuard[ast.Name]:
    """Whether it is what a state machine's tests are assigned to."""
    return isinstance(target, ast.Name) and target.id.startswith("Test")


def names_of(path: Path, contracts: dict[str, ast.ClassDef]) -> Iterator[str]:
    """The names of a file's tests, those that its classes inherit from a contract included."""
    tree = ast.parse(path.read_text())
    yield from names_in(tree.body)
    assigned = (node.targets[0] for node in tree.body if isinstance(node, ast.Assign))
    yield from (target.id for target in assigned if is_case(target))
    for name, node in classes(tree).items():
        yield name
        for inherited in (node, *inherited_by(node, contracts)):
            yield from (f"{name}::{test}" for test in names_in(inherited.body))


def inherited_by(node: ast.ClassDef, contracts: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """The contracts that a class inherits, and those that these do."""
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in contracts:
            yield contracts[base.id]
            yield from inherited_by(contracts[base.id], contracts)


def rows(ids: str) -> list[tuple[str, str]]:
    """The page's table rows whose id is like that, with all they say."""
    return re.findall(rf"^\| ({ids}) \| (.+) \|$", PAGE, re.MULTILINE)


def test_every_test_on_the_page_exists() -> None:
    contracts: dict[str, ast.ClassDef] = {}
    for path in (TESTS / "contracts").glob("*.py"):
        contracts |= classes(ast.parse(path.read_text()))
    named = NAMED.findall(PAGE)
    assert len(named) > 150
    assert len(named) == PAGE.count(".py::"), "a name that is not written as the others are would not be looked at"
    known = {file: set(names_of(TESTS / file, contracts)) for file, _ in named if (TESTS / file).exists()}
    assert sorted({f"{file}::{name}" for file, name in named if name not in known.get(file, ())}) == []


def test_every_guarantee_and_every_fault_has_its_line_and_its_test() -> None:
    guarantees, faults = rows(r"G\d+"), rows(r"\d+")
    assert [name for name, _ in guarantees] == [f"G{n}" for n in range(1, 50)]
    assert [name for name, _ in faults] == [str(n) for n in range(1, 65)]
    for name, said in guarantees + faults:
        shown_by = said.split(" | ")[-1]
        assert NAMED.search(shown_by) or shown_by.startswith("the same"), name
