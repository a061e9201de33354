"""What the agent is asked, beside the caller's own words. Pure."""

from agent_core.domain.job import Job

RESUMED = "You were interrupted before you had finished. Go on from where you are with this task:\n\n"
LONGEST_PART = 20_000


def new_session(job: Job, before: Job | None, stat: str) -> str:
    """Ask what a session that knows nothing is asked.

    A follow-up is told what the job before it was, what came of it, and `stat`, which files that changed.
    """
    parts = [job.prompt] if before is None else [_summary(before, stat), f"Now do this:\n\n{job.prompt}"]
    if job.check_output is not None:
        parts.append(_repair(job.check_output))
    return "\n\n".join(parts)


def known_session(job: Job, *, interrupted: bool) -> str:
    """Ask a session that goes on: to repair what a check found, to finish what was cut short, or for more."""
    if job.check_output is not None:
        return _repair(job.check_output)
    return RESUMED + job.prompt if interrupted else job.prompt


def _repair(output: str) -> str:
    return (
        "Your work was checked before it is published, and a check failed. Repair the cause, not the check. "
        f"This is what it said:\n\n{output}"
    )


def _summary(before: Job, stat: str) -> str:
    parts = [
        "This continues earlier work on the same branch, in a conversation that is not at hand any more. "
        f"The task was:\n\n{_shortened(before.prompt)}"
    ]
    if before.result_text:
        parts.append(f"The answer to it was:\n\n{_shortened(before.result_text)}")
    elif before.error:
        parts.append(f"It ended with an error:\n\n{_shortened(before.error)}")
    if stat.strip():
        parts.append(f"It changed these files:\n\n{_shortened(stat.strip())}")
    return "\n\n".join(parts)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_PART else f"{text[:LONGEST_PART]}\n[the rest was left out]"
