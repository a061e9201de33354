"""The store under test, and values to put into it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from agent_core.domain.answer import Answer
from agent_core.domain.client import Client
from agent_core.domain.delivery import Delivery
from agent_core.domain.holds import Hold, HoldKind
from agent_core.domain.job import FINAL_STATES, Job, JobMessage, JobState, MessageType
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
