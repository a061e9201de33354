"""The server's imports: quick, and without what only others have a use for."""

import gc
import linecache
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_FOR_OTHERS = frozenset(
    {"fast_depends", "fastapi", "pydantic", "pydantic_settings", "rich", "starlette", "werkzeug", "yaml"}
)
"""What dependency-injector and structlog take along where it happens to be installed, as beside developers' tools."""
_COLLECTED_AT = 10_000
"""New objects, instead of 700, after which the garbage collector looks: nearly all that imports make stays."""


@contextmanager
def own_imports() -> Iterator[None]:
    """Import the server inside of this: in some 15 MB and 160 ms less where others' libraries are installed too."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_COLLECTED_AT, *thresholds[1:])
    _exchange(PathFinder, _OwnFinder)
    try:
        yield
    finally:
        _exchange(_OwnFinder, PathFinder)
        gc.set_threshold(*thresholds)
        linecache.clearcache()  # attrs keeps there, for debuggers, a megabyte of what it has generated


class _OwnFinder(PathFinder):
    # None in sys.modules would hide a library from Python's import alone: Cython's takes it for the library itself.
    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return None if name in _FOR_OTHERS else super().find_spec(name, path, target)


def _exchange(finder: type[PathFinder], other: type[PathFinder]) -> None:
    sys.meta_path[:] = [other if one is finder else one for one in sys.meta_path]
