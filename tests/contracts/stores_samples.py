"""The store under test, and values to put into it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.domain.delivery import Delivery
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import FINAL_STATES, Job, JobKind, JobMessage, JobState, MessageType
from agent_core.domain.job_options import DeliveryMode, JobOptions
from agent_core.ports import Answers, ClientRepo, Feed, HoldRepo, JobRepo, Ledger, MessageLog, Outbox, Retention

NOON = datetime(2025, 1, 7, 12, 0, 0, 123000, tzinfo=UTC)
TEXTS = [
    "plain",
    "",
    "two\nlines\r\n\tand a tab",
    "quotes ' \" ` and a backslash \\ and a percent %s :name ?",
    "Zoë, naïve, 東京, שלום, e\u0301",
    "🧑‍🚀🏳️‍🌈 \U0010ffff \ufffd \u2028",
    "\x01\x1b[31mred\x1b[0m\x7f",
    '{"json": [1, null]}',
]


@frozen
class Stores:
    """All the store's ports over one database."""

    jobs: JobRepo
    messages: MessageLog
    clients: ClientRepo
    outbox: Outbox
    holds: HoldRepo
    answers: Answers
    old_messages: Retention
    ledger: Ledger
    feed: Feed


async def drop_client(stores: Stores, client_id: str = "client-1") -> None:
    """Cancel the client's jobs and delete it."""
    for job in await stores.jobs.in_states(set(JobState) - FINAL_STATES):
        if job.client_id == client_id:
            await stores.jobs.save(ended(job, JobState.CANCELLED))
    await stores.clients.delete(client_id)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def a_client(id: str = "client-1", **given: Any) -> Client:  # noqa: A002  named as the field is
    facts: dict[str, Any] = {
        "os_client_id": None,
        "name": f"Client {id}",
        "github_org": "Acme",
        "github_repo": f"repo-{id}",
        "default_branch": "main",
        "default_branch_known": False,
        "directory": f"dir-{id}",
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Client(id=id, **facts | given)


def a_job(id: str = "job-1", client_id: str = "client-1", **given: Any) -> Job:  # noqa: A002  named as the field is
    facts: dict[str, Any] = {"prompt": "Do it", "branch_name": f"feature/{id}", "created_at": NOON, "updated_at": NOON}
    return Job(id=id, client_id=client_id, **facts | given)


def ended(job: Job, state: JobState = JobState.COMPLETED, **given: Any) -> Job:
    facts: dict[str, Any] = {"state": state, "completed_at": NOON}
    return evolve(job, **facts | given)


def a_callback(id: str = "callback-1", job_id: str = "job-1", **given: Any) -> Delivery:  # noqa: A002  named as the field is
    facts: dict[str, Any] = {
        "url": "https://os.example.com/hook?a=1",
        "event": "job.completed",
        "body": b'{"jobId":"job-1","x":"\xc3\xa9\x00"}',
        "created_at": NOON,
        "next_at": NOON,
    }
    return Delivery(id=id, job_id=job_id, **facts | given)


def an_answer(key: str = "key-1", **given: Any) -> Answer:
    facts: dict[str, Any] = {"fingerprint": "f" * 64, "content": b'{"id":"x"}\x00\xff', "created_at": NOON}
    return Answer(key=key, **facts | given)


def a_hold(kind: HoldKind = HoldKind.USAGE_LIMIT, **given: Any) -> Hold:
    facts: dict[str, Any] = {"reason": "The limit is reached", "since": NOON}
    return Hold(kind=kind, **facts | given)


def messages(*contents: str, type: MessageType = MessageType.STDOUT) -> list[JobMessage]:  # noqa: A002  named as the field is
    return [JobMessage(type=type, content=content, created_at=after(n / 1000)) for n, content in enumerate(contents)]


FULL = a_job(
    "job-full",
    prompt="\n".join(TEXTS),
    title="A title: 'quoted' 🚀",
    os_feature_id="e897788c-afc6-4218-be48-703f2955cb0f",
    os_callback_url="https://os.example.com/hook",
    original_job_id="job-0",
    follow_up_of="job-0",
    first_job_id="job--1",
    kind=JobKind.PUBLISH,
    tags={"team": "Zoë 東京", "a.b/c-d_e": "\"quoted\", 'too' \\ %", "Team": "x"},
    options=JobOptions(
        model="opus",
        max_turns=0,
        max_cost_usd=0.5,
        timeout=60,
        delivery_mode=DeliveryMode.BRANCH,
        expect_changes=False,
        notify_held=True,
    ),
    priority=-3,
    not_before=after(60),
    state=JobState.PUBLISHING,
    started_at=after(1),
    completed_at=after(2),
    crashes=2,
    pid=4711,
    worktree_name="job--1",
    worktree_path="/srv/work trees/Zoë",
    setup_at=after(1.001),
    session_id="0b0f3a4e-0000-4000-8000-000000000000",
    agent_started_at=after(1.5),
    agent_ms=2**40,
    run_ms=1,
    agent_finished_at=after(1.999),
    exit_code=-9,
    model="claude",
    num_turns=7,
    input_tokens=2**40,
    output_tokens=0,
    cost_usd=0.1234567,
    duration_ms=123456789,
    run_turns=3,
    run_input_tokens=2**41,
    run_output_tokens=1,
    result_text="",
    check_rounds=2,
    check_output="\n".join(TEXTS),
    checks_passed_at=after(1.998),
    commit_sha="a" * 40,
    pr_url="https://github.com/Acme/repo/pull/1",
    pr_number=1,
    files_changed=0,
    kept_ref="refs/agent/kept/job-full",
    held_until=after(3600),
    error="It failed:\n  'no' 💥",
    error_code="agent_failed",
)
