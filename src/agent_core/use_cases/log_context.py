"""What the log lines of a task are about: facts that whoever writes them down may add to each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_FACTS: ContextVar[Mapping[str, str]] = ContextVar("facts of the log lines", default=MappingProxyType({}))


def log_context() -> Mapping[str, str]:
    """Return the facts, like `job_id`, `client_id` and `request_id`, that hold for the task that calls."""
    return _FACTS.get()


@contextmanager
def concerning(**facts: str) -> Iterator[None]:
    """Add facts for what is done inside, and for the tasks and threads that are started there."""
    token = _FACTS.set({**_FACTS.get(), **facts})
    try:
        yield
    finally:
        _FACTS.reset(token)
