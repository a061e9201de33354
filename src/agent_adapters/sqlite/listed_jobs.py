"""What a list shows of jobs, read without the rest of them."""

from functools import lru_cache

from agent_adapters.sqlite.connection import Row
from agent_adapters.sqlite.records import Record
from agent_core.domain.job import Used
from agent_core.ports import ListedJob

_JOBS = Record(ListedJob, beside=("used",))
_USED = Record(Used)
_BEGINNINGS = {
    "prompt": "iif(coalesce(title, '') = '', substr(prompt, 1, 500), '')",
    "error": "substr(error, 1, 500)",
}
_WIDTH = len(_JOBS.columns) + len(_USED.columns)
_COLUMNS = f"""
{", ".join(_BEGINNINGS.get(name, name) for name in _JOBS.columns)},
coalesce(num_turns, 0) + run_turns, coalesce(input_tokens, 0) + run_input_tokens,
coalesce(output_tokens, 0) + run_output_tokens, coalesce(cost_usd, 0.0)
"""


def select(rest: str) -> str:
    """Write a query for `listed_job`; `rest` begins with FROM, or with a comma and more columns."""
    return f"SELECT {_COLUMNS} {rest}"


def listed_job(row: Row) -> ListedJob:
    """Make what is listed of a row that `select` found; columns after its own are left alone."""
    return _made(row[:_WIDTH])


@lru_cache(512)
def _made(row: Row) -> ListedJob:
    # Most of a list is as it was when it was last read, and to find a row here takes a fifth of making a job of it.
    return _JOBS.value(row, used=_USED.value(row[len(_JOBS.columns) :]))
