"""What a list shows of jobs, read without the rest of them."""

from collections.abc import Sequence
from functools import lru_cache

from agent_adapters.sqlite.connection import Row
from agent_adapters.sqlite.records import Record
from agent_core.domain.job import Used
from agent_core.ports import BEGINNING, ListedJob

_JOBS = Record(ListedJob, beside=("used",))
_USED = Record(Used)
_BEGINNINGS = {
    "prompt": f"iif(coalesce(title, '') = '', substr(prompt, 1, {BEGINNING}), '')",
    "error": f"substr(error, 1, {BEGINNING})",
}
_COLUMNS = f"""
{", ".join(_BEGINNINGS.get(name, name) for name in _JOBS.columns)},
coalesce(num_turns, 0) + run_turns, coalesce(input_tokens, 0) + run_input_tokens,
coalesce(output_tokens, 0) + run_output_tokens, coalesce(cost_usd, 0.0)
"""
_REMEMBERED = 512


def select(rest: str) -> str:
    """Write a query for `listed_jobs`; `rest` begins with FROM."""
    return f"SELECT {_COLUMNS} {rest}"


def listed_jobs(rows: Sequence[Row]) -> Sequence[ListedJob]:
    """Make what is listed of the rows that `select` found."""
    # Most of a list is as it was when it was last read, and to find a row there takes a fifth of making a job of it;
    # but a long list would only drive out the others.
    return [*map(_remembered if len(rows) < _REMEMBERED else _made, rows)]


def _made(row: Row) -> ListedJob:
    return _JOBS.value(row, used=_USED.value(row[len(_JOBS.columns) :]))


_remembered = lru_cache(_REMEMBERED)(_made)
