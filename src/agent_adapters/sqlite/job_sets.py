"""Which jobs match each criterion of a filter, remembered, so that what a million jobs have in common is read once.

A set that is remembered is true of one moment. What has changed since stands in `job_changes`; that alone is looked at
when the set is asked for again.
"""

import json
import sqlite3
from collections.abc import Sequence
from functools import reduce
from operator import or_
from threading import Lock

from attrs import frozen

from agent_adapters.sqlite.connection import Row, fetch
from agent_adapters.sqlite.documents import iso, storable
from agent_adapters.sqlite.job_texts import found_among
from agent_adapters.sqlite.place_sets import places, read_set, run_of, set_of, spread
from agent_core.ports import JobFilter

_ALL, _SINCE, _STATUS, _TEXT = "all", "since", "status", "text"
_CRITERIA = {
    _TEXT: "SELECT rowid FROM job_texts WHERE job_texts MATCH ?",
    "feature": "SELECT seq FROM jobs WHERE os_feature_id = ?",
    "tag": "SELECT job_seq FROM job_tags WHERE key = ? AND value = ?",
    "client": "SELECT seq FROM jobs WHERE client_id = ?",
    _STATUS: "SELECT seq FROM jobs WHERE status = ?",
    _SINCE: "SELECT seq FROM jobs WHERE +created_at >= ?",
    _ALL: "SELECT seq FROM jobs WHERE true",
}
"""What finds the jobs of each kind of criterion; all from an index that has all it asks for, but for those made since
a time, which are looked for in another way."""
_AMONG = {
    kind: f"{query} AND {query.split()[1]} IN (SELECT value FROM json_each(?))"  # noqa: S608  no input
    for kind, query in _CRITERIA.items()
    if kind != _TEXT
}
_MOMENT = "SELECT coalesce(max(place), 0), (SELECT coalesce(max(seq), 0) FROM jobs) FROM job_changes"
_CHANGES = """
SELECT count(*), json_group_array(DISTINCT job_seq), json_group_array(DISTINCT job_seq) FILTER (WHERE of_status = 0)
FROM job_changes WHERE place > ?
"""
_LAST_OLD_SPAN = "SELECT coalesce(max(block), -1) FROM job_spans WHERE first_at < ?"
_WHOLE_SPANS = "SELECT block FROM job_spans WHERE first_at >= ? AND block < ?"
_CUT_SPANS = "SELECT block FROM job_spans WHERE first_at < ?1 AND last_at >= ?1 AND block <= ?2"
_MADE = "SELECT seq FROM jobs INDEXED BY jobs_created_at WHERE created_at >= ?"
_MADE_IN = "SELECT seq - ?2 FROM jobs WHERE +created_at >= ?1 AND seq BETWEEN ?2 AND ?3"
_SPAN = 512
_FEW_SPANS = 8
_FEW = 1000
"""So many jobs are sooner looked at one by one than all of a client or a status, and sooner read than remembered."""
_REMEMBERED, _REMEMBERED_BITS = 64, 64 * 1024 * 1024
"""Sets, and bits of all of them together: 60 sets of a million jobs."""


@frozen
class Criterion:
    """One criterion: a key of `_CRITERIA` and the values its query asks for."""

    kind: str
    values: tuple[str, ...] = ()


@frozen
class _Known:
    jobs: int
    moment: int


class JobSets:
    """The sets that were asked for last; readers in several threads share them."""

    def __init__(self) -> None:
        self.few = _FEW
        self.few_spans = _FEW_SPANS
        self._known: dict[Criterion, _Known] = {}
        self._lock = Lock()

    def find(self, connection: sqlite3.Connection, which: JobFilter, words: str | None) -> int:
        """Return the set of the jobs that match; `words` is the query for the text.

        Must come before anything else is read in the transaction, and there must be some criterion.
        """
        # Before the first read: so nothing known is of a later moment than what is read.
        with self._lock:
            known = dict(self._known)
        return _Finding(self, connection, known).found(which, words)

    def remember(self, criterion: Criterion, jobs: int, moment: int) -> None:
        """Keep a set that was true at a moment; others may be forgotten for it."""
        with self._lock:
            self._known.pop(criterion, None)
            if criterion.kind == _SINCE:  # whoever asks every minute names another time: the last alone is kept
                self._known = {other: known for other, known in self._known.items() if other.kind != _SINCE}
            self._known[criterion] = _Known(jobs, moment)
            size = sum(known.jobs.bit_length() for known in self._known.values())
            while size > _REMEMBERED_BITS or len(self._known) > _REMEMBERED:
                size -= self._known.pop(next(iter(self._known))).jobs.bit_length()


class _Finding:
    """One answer, of one moment."""

    def __init__(self, sets: JobSets, connection: sqlite3.Connection, known: dict[Criterion, _Known]) -> None:
        self._sets = sets
        self._connection = connection
        self._known = known
        [(self._moment, self._last)] = fetch(connection, _MOMENT)
        self._changes: dict[int, Row] = {}

    def found(self, which: JobFilter, words: str | None) -> int:
        # Those first of which there may be few; each is a choice of criteria.
        choices = [[Criterion(_TEXT, (words,))]] if words is not None else []
        if which.os_feature_id is not None:
            choices.append([Criterion("feature", (storable(which.os_feature_id),))])
        choices += ([Criterion("tag", (storable(key), storable(value)))] for key, value in which.tags.items())
        found: int | None = None
        if which.created_after is not None:
            found = self._of(Criterion(_SINCE, (iso(which.created_after),)))
        if which.client_id is not None:
            choices.append([Criterion("client", (storable(which.client_id),))])
        if which.statuses:
            choices.append([Criterion(_STATUS, (status,)) for status in which.statuses])
        for choice in choices:
            if found is None:
                found = self._any_of(choice)
            elif found.bit_count() <= self._sets.few and choice[0].kind != _TEXT:
                seqs = places(found)
                found = reduce(or_, (self._among(criterion, seqs) for criterion in choice))
            else:
                found &= self._any_of(choice)
        return self._of(Criterion(_ALL)) if found is None else found

    def _any_of(self, choice: Sequence[Criterion]) -> int:
        return reduce(or_, map(self._of, choice))

    def _of(self, criterion: Criterion) -> int:
        known = self._known.get(criterion)
        jobs = None if known is None else self._renewed(criterion, known)
        if jobs is None:
            jobs = self._read(criterion)
        if known is not None or jobs.bit_count() > self._sets.few:
            self._sets.remember(criterion, jobs, self._moment)
        return jobs

    def _read(self, criterion: Criterion) -> int:
        if criterion.kind == _SINCE:
            return self._made_since(*criterion.values)
        return read_set(self._connection, _CRITERIA[criterion.kind], criterion.values)

    def _renewed(self, criterion: Criterion, known: _Known) -> int | None:
        """Return what has become of a set; None: that is forgotten, or it is sooner read again."""
        n, changed, changed_but_for_status = self._changes_since(known.moment)
        if n != self._moment - known.moment:
            return None
        seqs: Sequence[int] = json.loads(changed if criterion.kind == _STATUS else changed_but_for_status)
        if not seqs:
            return known.jobs
        if criterion.kind == _TEXT:
            now = found_among(self._connection, seqs, *criterion.values)
        else:
            now = self._among(criterion, seqs)
        return None if now is None else known.jobs & ~set_of(seqs, max(seqs)) | now

    def _changes_since(self, moment: int) -> Row:
        if moment not in self._changes:
            [self._changes[moment]] = fetch(self._connection, _CHANGES, (moment,))
        return self._changes[moment]

    def _among(self, criterion: Criterion, seqs: Sequence[int]) -> int:
        return read_set(self._connection, _AMONG[criterion.kind], (*criterion.values, json.dumps(seqs)))

    def _made_since(self, time: str) -> int:
        [(old,)] = fetch(self._connection, _LAST_OLD_SPAN, (time,))  # nearly always that of the last job made before
        whole = read_set(self._connection, _WHOLE_SPANS, (time, old))
        whole |= run_of(old + 1, max(0, self._last // _SPAN - old))
        cut = fetch(self._connection, _CUT_SPANS, (time, old))
        if whole.bit_count() + len(cut) <= self._sets.few_spans:
            return read_set(self._connection, _MADE, (time,))
        found = spread(whole, _SPAN) & self._of(Criterion(_ALL))  # a span may have places without a job
        for (block,) in cut:
            first = block * _SPAN
            found |= read_set(self._connection, _MADE_IN, (time, first, first + _SPAN - 1)) << first
        return found
