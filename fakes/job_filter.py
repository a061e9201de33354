"""Which jobs match a filter, and what their words are."""

import re
from unicodedata import combining, normalize

from agent_core.domain.job import Job
from agent_core.ports import JobFilter


def matches(which: JobFilter, job: Job) -> bool:
    """Tell whether a job matches every criterion."""
    return (
        (not which.statuses or job.status in which.statuses)
        and which.client_id in (None, job.client_id)
        and which.os_feature_id in (None, job.os_feature_id)
        and (which.created_after is None or job.created_at >= which.created_after)
        and which.tags.items() <= job.tags.items()
        and (which.text is None or _has_words_of(which.text, job))
    )


def _has_words_of(text: str, job: Job) -> bool:
    wanted = _words(text)
    had = _words(" ".join((job.title or "", job.prompt, job.branch_name)))
    return bool(wanted) and all(any(word.startswith(start) for word in had) for start in wanted)


def _words(text: str) -> set[str]:
    """Take a text apart: a word is letters and digits, whatever their case and their accents."""
    plain = "".join(char for char in normalize("NFD", text.casefold()) if not combining(char))
    return set(re.findall(r"[^\W_]+", plain))
