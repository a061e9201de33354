"""What the documentation repeats of the code is what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docs.generate import PARTS, split


@pytest.mark.parametrize(
    ("place", "make"), PARTS.items(), ids=lambda value: str(value[1]) if isinstance(value, tuple) else ""
)
def test_a_page_shows_what_the_code_says_today(place: tuple[Path, str], make: Callable[[], str]) -> None:
    path, name = place
    assert split(path.read_text(), name)[1] == make(), "bring it up to date: python -m docs.generate"
