"""What a pull request says: the client's template, else the repository's own, else the specification's words."""

import re
from collections.abc import Mapping

from agent_core.domain.job import Job

PLACEHOLDER = re.compile(r"\{(title|prompt|summary|featureId|jobId|branch)\}")
MAX_BODY = 60_000
"""So much of it is sent: GitHub takes 65,536 characters."""


def pull_request_body(job: Job, body_template: str | None, own_template: str | None) -> str:
    """Write the text.

    `body_template` is the client's: each `{title}`, `{prompt}`, `{summary}` (the agent's last words), `{featureId}`,
    `{jobId}` and `{branch}` in it is replaced. `own_template` is the repository's: it is kept as people shall find it,
    with the job's facts below. What a caller or an agent wrote must not notify anybody: it is data.
    """
    if body_template is not None:
        facts = _facts(job)
        return PLACEHOLDER.sub(lambda found: facts[found[1]], body_template)
    feature = _harmless(job.os_feature_id or "N/A")
    automated = f"Automated by Claude Code Agent\n\nFeature ID: {feature}"
    if own_template is None or not own_template.strip():
        return automated
    return f"{own_template.rstrip()}\n\n---\n\n{automated}"


def _facts(job: Job) -> Mapping[str, str]:
    facts = {
        "title": job.pull_request_title,
        "prompt": job.prompt,
        "summary": job.result_text or "",
        "featureId": job.os_feature_id or "N/A",
        "jobId": job.id,
        "branch": job.branch_name,
    }
    return {name: _harmless(text) for name, text in facts.items()}


def _harmless(text: str) -> str:
    return text.replace("@", "@\u200b")
