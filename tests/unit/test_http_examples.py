"""Every request and response that the specification shows."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_core.domain.errors import RepoStoreError
from agent_core.ports import AgentHealth
from fakes.code_agent import Script, usage_limited
from tests.unit.served import AUTH, NEW_JOB, ORG, REPO, START, Served, serving

OS_CLIENT_ID = "e897788c-afc6-4218-be48-703f2955cb0f"
FEATURE_ID = "4e7df575-6bdc-4c38-944b-23a404b391db"
CLIENT: dict[str, Any] = {
    "id": "abc123",
    "osClientId": OS_CLIENT_ID,
    "name": "French Language Solutions",
    "githubOrg": ORG,
    "githubRepo": REPO,
    "defaultBranch": "main",
    "repoExists": True,
    "createdAt": "2025-01-07T12:00:00Z",
}
FREE = {"id", "clientId", "originalJobId", "worktreePath", "bareRepoPath", "prUrl", "prNumber"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


def same(example: Any, answer: Any, *, more_keys: bool = False) -> None:
    """Compare with the example: keys in its order, values equal, but for those that each server makes itself."""
    if isinstance(example, dict):
        known = [key for key in answer if key in example or not more_keys]
        assert known == list(example)
        for key, value in example.items():
            if key in FREE:
                assert type(answer[key]) is type(value), key
            else:
                same(value, answer[key])
    elif isinstance(example, list):
        assert len(answer) == len(example)
        for one, other in zip(example, answer, strict=True):
            same(one, other)
    else:
        assert answer == example
        assert type(answer) is type(example)


async def test_create_client_clones_and_answers_as_shown(served: Served) -> None:
    request = {
        "osClientId": OS_CLIENT_ID,
        "name": "French Language Solutions",
        "githubOrg": ORG,
        "githubRepo": REPO,
        "defaultBranch": "main",
    }
    answer = await served.ask("POST", "/clients", request)
    assert answer.status == 201
    example = {k: v for k, v in CLIENT.items() if k not in ("repoExists", "createdAt")}
    same(
        {**example, "repoCloned": True, "bareRepoPath": "/Users/david/repos/french-language-solutions.git"}, answer.json
    )
    assert answer.json["bareRepoPath"].endswith("/french-language-solutions.git")
    assert answer.headers["Location"] == f"/clients/{answer.json['id']}"


async def test_list_clients_answers_as_shown(served: Served) -> None:
    await served.new_client(osClientId=OS_CLIENT_ID)
    same({"clients": [CLIENT]}, await served.get("/clients"))


async def test_get_client_counts_its_jobs_as_shown(served: Served) -> None:
    client = await served.new_client(osClientId=OS_CLIENT_ID)
    await served.finished_job(branchName="feature/done")
    served.agent.hold()
    await served.new_job(branchName="feature/a")
    await served.new_job(branchName="feature/b")
    answer = await served.get(f"/clients/{client['id']}")
    assert list(answer.pop("settings")) == ["agent", "workspace", "delivery", "queue"]
    created = answer.pop("createdAt")
    same({**{k: v for k, v in CLIENT.items() if k != "createdAt"}, "activeJobs": 2, "totalJobs": 3}, answer)
    assert created == "2025-01-07T12:00:00Z"


async def test_update_client_answers_the_changed_client(served: Served) -> None:
    client = await served.new_client()
    answer = await served.ask("PATCH", f"/clients/{client['id']}", {"name": "FLS Updated", "defaultBranch": "develop"})
    assert answer.status == 200
    assert answer.json["name"] == "FLS Updated"
    assert answer.json["defaultBranch"] == "develop"
    assert answer.json == await served.get(f"/clients/{client['id']}")


@pytest.mark.parametrize(("query", "removed"), [("", False), ("?removeRepo=false", False), ("?removeRepo=true", True)])
async def test_delete_client_keeps_the_repository_unless_told(served: Served, query: str, *, removed: bool) -> None:
    client = await served.new_client()
    answer = await served.ask("DELETE", f"/clients/{client['id']}{query}")
    assert answer.status == 200
    same({"deleted": True, "repoRemoved": removed}, answer.json)
    assert (await served.get("/clients")) == {"clients": []}


async def test_list_jobs_answers_as_shown(served: Served) -> None:
    await served.new_client()
    served.agent.hold()
    job = await served.new_job(branchName="feature/quotes-tab", title="Add Quotes Tab", osFeatureId=FEATURE_ID)
    await served.agent.reached(job["id"])
    same(
        {
            "jobs": [
                {
                    "id": "job-xyz",
                    "clientId": "abc123",
                    "clientName": "French Language Solutions",
                    "status": "running",
                    "branchName": "feature/quotes-tab",
                    "title": "Add Quotes Tab",
                    "osFeatureId": FEATURE_ID,
                    "startedAt": "2025-01-07T12:00:00Z",
                    "createdAt": "2025-01-07T12:00:00Z",
                    "tags": {},
                }
            ],
            "total": 1,
            "limit": 50,
            "offset": 0,
        },
        await served.get("/jobs"),
    )


async def test_list_jobs_filters_and_pages(served: Served) -> None:
    await served.finished_job(branchName="done")
    served.agent.hold()
    running = [await served.new_job(branchName=f"b{n}") for n in (1, 2)]
    for job in running:
        await served.agent.reached(job["id"])
    waiting = await served.new_job(branchName="b3")
    page = await served.get("/jobs?status=queued,running&limit=2&offset=1")
    assert [job["id"] for job in page["jobs"]] == [running[1]["id"], running[0]["id"]]
    assert (page["total"], page["limit"], page["offset"]) == (3, 2, 1)
    assert [j["id"] for j in (await served.get("/jobs?status=queued"))["jobs"]] == [waiting["id"]]
    assert (await served.get(f"/jobs?clientId={waiting['clientId']}"))["total"] == 4
    assert (await served.get("/jobs?clientId=nobody"))["total"] == 0


async def test_get_job_answers_as_shown_and_more_at_the_end(served: Served) -> None:
    await served.new_client()
    served.prs.files_changed = 5
    job = await served.finished_job(
        prompt="Implement the Quotes tab...",
        branchName="feature/quotes-tab",
        title="Add Quotes Tab",
        osFeatureId=FEATURE_ID,
    )
    answer = await served.get(f"/jobs/{job['id']}")
    example = {
        "id": "job-xyz",
        "clientId": "abc123",
        "client": {"name": "French Language Solutions", "githubOrg": ORG, "githubRepo": REPO},
        "status": "completed",
        "prompt": "Implement the Quotes tab...",
        "branchName": "feature/quotes-tab",
        "title": "Add Quotes Tab",
        "osFeatureId": FEATURE_ID,
        "worktreePath": "/Users/david/worktrees/french-language-solutions/job-xyz",
        "startedAt": "2025-01-07T12:00:00Z",
        "completedAt": "2025-01-07T12:00:00Z",
        "exitCode": 0,
        "prUrl": "https://github.com/SupportKings/french-language-solutions/pull/42",
        "prNumber": 42,
        "filesChanged": 5,
        "createdAt": "2025-01-07T12:00:00Z",
    }
    same(example, answer, more_keys=True)
    more = {key: value for key, value in answer.items() if key not in example}
    assert re.fullmatch("[0-9a-f]{40}", more.pop("commitSha"))
    assert re.fullmatch("[0-9a-f-]{36}", more.pop("sessionId"))
    assert more == {
        "updatedAt": "2025-01-07T12:00:00Z",
        "state": "completed",
        "error": None,
        "errorCode": None,
        "osCallbackUrl": None,
        "originalJobId": None,
        "pid": None,
        "model": "fake-model",
        "numTurns": 3,
        "inputTokens": 3000,
        "outputTokens": 150,
        "costUsd": 0.015,
        "durationMs": 400,
        "resultText": "All done.",
        "keptRef": None,
        "priority": 0,
        "notBefore": None,
        "followUpOf": None,
        "chain": [job["id"]],
        "kind": "task",
        "options": {
            "model": None,
            "maxTurns": None,
            "maxCostUsd": None,
            "timeout": None,
            "deliveryMode": None,
            "expectChanges": True,
            "notifyHeld": False,
        },
        "agentMs": 0,
        "runMs": 0,
        "checkRounds": 0,
        "heldUntil": None,
        "heldReason": None,
        "tags": {},
    }


async def test_get_job_shows_its_messages_when_asked(served: Served) -> None:
    job = await served.finished_job()
    assert "messages" not in await served.get(f"/jobs/{job['id']}?includeMessages=false")
    answer = await served.get(f"/jobs/{job['id']}?includeMessages=true")
    keys = list(answer)
    assert keys.index("filesChanged") < keys.index("messages") < keys.index("createdAt")
    said = [message for message in answer["messages"] if message["type"] == "stdout"]
    same({"type": "stdout", "content": "I will write the file.", "createdAt": "2025-01-07T12:00:00Z"}, said[0])


async def test_a_long_log_is_shown_whole_and_in_order(served: Served) -> None:
    said = [f"line {n}" for n in range(1201)]
    served.agent.script("Talk", Script(says=said))
    job = await served.finished_job(prompt="Talk")
    messages = (await served.get(f"/jobs/{job['id']}?includeMessages=true"))["messages"]
    assert [message["content"] for message in messages if message["type"] == "stdout"] == said


async def test_messages_that_are_no_unicode_do_not_break_the_answer(served: Served) -> None:
    served.agent.script("Odd", Script(says=["é\ud800\0"]))
    job = await served.finished_job(prompt="Odd")
    messages = (await served.get(f"/jobs/{job['id']}?includeMessages=true"))["messages"]
    assert [message["content"] for message in messages if message["type"] == "stdout"] == ["é?\0"]


async def test_create_job_by_client_id_answers_as_shown(served: Served) -> None:
    client = await served.new_client()
    request = {
        "clientId": client["id"],
        "prompt": "Implement the Quotes tab on the Site detail view...",
        "branchName": "feature/quotes-tab",
        "title": "Add Quotes Tab to Site Detail",
        "osFeatureId": FEATURE_ID,
        "osCallbackUrl": "https://os.opskings.com/api/webhooks/agent",
    }
    answer = await served.ask("POST", "/jobs", request)
    assert answer.status == 201
    same(
        {
            "id": "job-xyz",
            "clientId": "abc123",
            "status": "queued",
            "position": 1,
            "branchName": "feature/quotes-tab",
            "createdAt": "2025-01-07T12:00:00Z",
        },
        answer.json,
    )
    assert answer.json["clientId"] == client["id"]
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"


async def test_create_job_by_repository_makes_the_client(served: Served) -> None:
    answer = await served.ask("POST", "/jobs", {**NEW_JOB, "title": "Fix Login Bug"})
    assert answer.status == 201
    [client] = (await served.get("/clients"))["clients"]
    assert (client["id"], client["name"], client["osClientId"]) == (answer.json["clientId"], REPO, None)


async def test_the_position_counts_those_that_wait_before_it(served: Served) -> None:
    served.agent.hold()
    for job in [await served.new_job(branchName=f"running{n}") for n in (1, 2)]:
        await served.agent.reached(job["id"])
    assert [(await served.new_job(branchName=f"waiting{n}"))["position"] for n in (1, 2, 3)] == [1, 2, 3]


async def test_cancel_of_a_running_job_answers_as_shown(served: Served) -> None:
    served.agent.hold()
    job = await served.new_job()
    await served.agent.reached(job["id"])
    for _ in range(2):
        answer = await served.ask("POST", f"/jobs/{job['id']}/cancel")
        assert answer.status == 200
        assert answer.json == {"id": job["id"], "status": "cancelled", "wasRunning": True}


async def test_cancel_of_a_finished_job_answers_as_shown(served: Served) -> None:
    job = await served.finished_job()
    answer = await served.ask("POST", f"/jobs/{job['id']}/cancel")
    assert answer.status == 400
    assert answer.json == {"error": "Job already completed", "code": "job_completed"}


async def test_retry_answers_as_shown(served: Served) -> None:
    job = await served.finished_job()
    answer = await served.ask("POST", f"/jobs/{job['id']}/retry")
    assert answer.status == 201
    same({"id": "job-new-xyz", "originalJobId": "job-xyz", "status": "queued", "position": 1}, answer.json)
    assert answer.json["originalJobId"] == job["id"] != answer.json["id"]
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"


async def test_health_answers_as_shown(served: Served) -> None:
    same(
        {
            "status": "ok",
            "queue": {"running": 0, "queued": 0, "maxConcurrent": 2},
            "claude": {"authenticated": True, "version": "fake"},
        },
        await served.get("/health"),
    )


async def test_queue_answers_as_shown(served: Served) -> None:
    await served.new_client()
    served.agent.hold()
    for branch in ("feature/quotes-tab", "feature/other"):
        await served.agent.reached((await served.new_job(branchName=branch))["id"])
    served.clock.forward(minutes=5, seconds=23)
    await served.new_job(branchName="feature/dashboard")
    running = {
        "id": "job-abc",
        "clientName": "French Language Solutions",
        "branchName": "feature/quotes-tab",
        "startedAt": "2025-01-07T12:00:00Z",
        "runningFor": "5m 23s",
    }
    queued = {
        "id": "job-def",
        "clientName": "French Language Solutions",
        "branchName": "feature/dashboard",
        "position": 1,
        "createdAt": "2025-01-07T12:05:23Z",
    }
    same(
        {"running": [running, {**running, "branchName": "feature/other"}], "queued": [queued], "maxConcurrent": 2},
        await served.get("/queue"),
    )


async def test_a_hold_is_shown_by_queue_and_health(served: Served) -> None:
    until = START.replace(hour=15)
    served.agent.script("Much", Script(ending=usage_limited(until)))
    job = await served.new_job(prompt="Much")
    while (queue := await served.get("/queue"))["running"] or "hold" not in queue:
        pass
    hold = {
        "kind": "usage_limit",
        "reason": "The usage limit of the subscription is reached",
        "since": "2025-01-07T12:00:00Z",
        "until": "2025-01-07T15:00:00Z",
    }
    same(hold, queue["hold"])
    assert [waiting["id"] for waiting in queue["queued"]] == [job["id"]]
    health = await served.get("/health")
    assert (health["status"], health["hold"]) == ("degraded", hold)


async def test_health_is_degraded_when_the_agent_cannot_work(served: Served) -> None:
    served.agent.health = AgentHealth(authenticated=False)
    health = await served.get("/health")
    assert health["status"] == "degraded"
    assert health["claude"] == {"authenticated": False, "version": None}


async def test_sync_answers_as_shown(served: Served) -> None:
    await served.new_client()
    served.repos.origin("SupportKings", "outperformers")
    await served.new_client(githubRepo="outperformers")
    served.repos.fail_next("refresh", RepoStoreError("git fetch failed: no route to host", code="fetch_failed"))
    answer = await served.ask("POST", "/sync")
    assert answer.status == 200
    assert answer.json == {
        "synced": [
            {"repo": REPO, "success": False, "error": "git fetch failed: no route to host"},
            {"repo": "outperformers", "success": True, "error": None},
        ]
    }


async def test_a_head_request_is_answered_like_a_get(served: Served) -> None:
    async with served.client.head("/health", headers=AUTH) as response:
        assert response.status == 200
