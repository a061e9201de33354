"""What callers get wrong: the status, a sentence that names the field, no 500, and nothing half stored."""

import asyncio
import io
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_core.domain.errors import RepoStoreError, WorldError
from agent_core.use_cases.config import CoreConfig
from tests.unit.served import AUTH, NEW_CLIENT, NEW_JOB, ORG, REPO, Served, serving

JSON = {**AUTH, "Content-Type": "application/json"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def refused(served: Served, answer: Any, status: int, *words: str) -> None:
    """Check the refusal: its status, its shape, its words, and that nothing came of it."""
    assert answer.status == status, answer
    assert set(answer.json) - {"existingId"} == {"error", "code"}
    for word in words:
        assert word in answer.json["error"], answer
    assert served.db.jobs == {}


# ------------------------------------------------------------------------------------ bodies
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b'{"prompt": "\xff"}', id="not_utf8"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"a":' * 100_000, id="deep_objects"),
        pytest.param(b'{"prompt": ' + b"9" * 5_000 + b"}", id="number_of_5000_digits"),
        pytest.param(b'{"prompt": NaN}', id="nan"),
        pytest.param(b'{"prompt": -Infinity}', id="infinity"),
        pytest.param(b'{"prompt": "a", "prompt": "b"}', id="doubled_key"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte_order_mark"),
        pytest.param("{}".encode("utf-16"), id="utf16"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(served: Served, body: bytes) -> None:
    answer = await served.ask("POST", "/jobs", data=body, headers=JSON)
    await refused(served, answer, 400, "The body is not a JSON object")


@pytest.mark.parametrize("kind", ["application/json; charset=x-none", "application/json; charset=utf-16"])
async def test_another_charset_is_refused(served: Served, kind: str) -> None:
    answer = await served.ask("POST", "/jobs", data=b"{}", headers={**AUTH, "Content-Type": kind})
    await refused(served, answer, 400, "The body is not a JSON object")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense"])
async def test_another_content_type_is_refused(served: Served, kind: str) -> None:
    body = json.dumps(NEW_JOB).encode()
    answer = await served.ask("POST", "/jobs", data=body, headers={**AUTH, "Content-Type": kind})
    await refused(served, answer, 415, "application/json")


async def test_a_body_over_1_mib_is_refused(served: Served) -> None:
    body = json.dumps({**NEW_JOB, "prompt": "x" * 1024 * 1024}).encode()
    answer = await served.ask("POST", "/jobs", data=io.BytesIO(body), headers=JSON)
    await refused(served, answer, 413, "1024 KiB")


async def test_a_body_that_unpacks_to_200_mib_is_refused(served: Served) -> None:
    packed = zlib.compressobj()
    bomb = b"".join(packed.compress(bytes(2**20)) for _ in range(200)) + packed.flush()
    answer = await served.ask("POST", "/jobs", data=bomb, headers={**JSON, "Content-Encoding": "deflate"})
    await refused(served, answer, 413)


async def test_a_body_that_is_not_packed_as_it_says_is_refused(served: Served) -> None:
    answer = await served.ask("POST", "/jobs", data=b"\x00\x01", headers={**JSON, "Content-Encoding": "gzip"})
    await refused(served, answer, 400)


def _head(served: Served, length: int) -> bytes:
    return (
        f"POST /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTH['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def test_a_slow_body_is_given_up_and_its_connection_closed() -> None:
    async with serving(body_patience=0.05) as served:
        reader, writer = await asyncio.open_connection(served.client.host, served.client.port)
        writer.write(_head(served, 100) + b"{")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"Connection: close" in answer
        writer.close()


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection(served.client.host, served.client.port)
    writer.write(_head(served, 1000) + json.dumps(NEW_JOB).encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await served.get("/jobs"))["total"] == 0
    assert "Traceback" not in caplog.text


# ------------------------------------------------------------------------------------ fields of a job
@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"prompt": None}, "prompt", id="prompt_null"),
        pytest.param({"prompt": ""}, "prompt", id="prompt_empty"),
        pytest.param({"prompt": " \n\t"}, "prompt", id="prompt_of_spaces"),
        pytest.param({"prompt": 5}, "prompt", id="prompt_number"),
        pytest.param({"prompt": ["x"]}, "prompt", id="prompt_list"),
        pytest.param({"prompt": True}, "prompt", id="prompt_flag"),
        pytest.param({"prompt": {"text": "x"}}, "prompt", id="prompt_object"),
        pytest.param({"prompt": 2**70}, "prompt", id="prompt_number_of_70_bits"),
        pytest.param({"prompt": "x" * (256 * 1024 + 1)}, "prompt", id="prompt_over_256_kib"),
        pytest.param({"prompt": "é" * (128 * 1024 + 1)}, "prompt", id="prompt_over_256_kib_in_utf8"),
        pytest.param({"prompt": "a\0b"}, "prompt", id="prompt_with_nul"),
        pytest.param({"prompt": "a\ud800b"}, "prompt", id="prompt_with_half_a_surrogate_pair"),
        *[
            pytest.param({"branchName": name}, "branchName", id=f"branch_{name[:10]}")
            for name in (
                "-x", "a..b", "a b", "a.lock", "@{-1}", "HEAD", "@", "refs/heads/x", "$(id)", "a" * 300, "", "/", "a/",
                "é", "a\0", "a\nb", ".git", "a/.b", "main", "MAIN",
            )
        ],
        *[
            pytest.param({"githubOrg": org}, "githubOrg", id=f"org_{org}")
            for org in ("..", ".", "a/b", "-u", "", "a" * 40, "a\n")
        ],
        *[
            pytest.param({"githubRepo": repo}, "githubRepo", id=f"repo_{repo}")
            for repo in ("..", ".", "a/b", "-u", "x.git", "", "a" * 101, "a\n")
        ],
        *[
            pytest.param({"osCallbackUrl": url}, "osCallbackUrl", id=f"callback_{url[:30]!r}")
            for url in ("ftp://h/", "http://user:p@h/", "http://h/\r\nX: y", "h", "", "https://", "http://h:99999/")
        ],
        pytest.param({"title": "two\nlines"}, "title", id="title_of_two_lines"),
        pytest.param({"title": "x" * 10_000}, "title", id="title_of_10_kb"),
        pytest.param({"title": "x\0"}, "title", id="title_with_nul"),
        pytest.param({"title": 5}, "title", id="title_number"),
        pytest.param({"osFeatureId": "x\ny"}, "osFeatureId", id="feature_of_two_lines"),
        pytest.param({"clientId": 7}, "clientId", id="client_id_number"),
        pytest.param({"clientId": "\udfff"}, "clientId", id="client_id_half_a_surrogate_pair"),
        pytest.param({"branch_name": "x"}, "branch_name", id="unknown_key"),
        pytest.param({"prio\ud800": 1}, "is not known", id="unknown_key_half_a_surrogate_pair"),
    ],
)  # fmt: skip
async def test_a_job_with_a_bad_field_is_refused_by_its_name(served: Served, change: Any, field: str) -> None:
    body = json.dumps({**NEW_JOB, **change}).encode()
    await refused(served, await served.ask("POST", "/jobs", data=body, headers=JSON), 400, field)


@pytest.mark.parametrize("missing", ["prompt", "branchName", "githubOrg", "githubRepo"])
async def test_a_job_without_a_field_is_refused_by_its_name(served: Served, missing: str) -> None:
    body = {key: value for key, value in NEW_JOB.items() if key != missing}
    await refused(served, await served.ask("POST", "/jobs", body), 400, missing)


async def test_every_field_at_fault_is_named_at_once(served: Served) -> None:
    answer = await served.ask("POST", "/jobs", {"prompt": 5, "branchname": "x", "title": []})
    await refused(served, answer, 400, "prompt", "branchName", "branchname", "title")


async def test_fields_that_may_be_null_are_as_good_as_missing(served: Served) -> None:
    await served.new_job(clientId=None, title=None, osFeatureId=None, osCallbackUrl=None)


async def test_a_job_of_an_unknown_client_is_refused(served: Served) -> None:
    answer = await served.ask("POST", "/jobs", {"clientId": "nobody", "prompt": "x", "branchName": "y"})
    await refused(served, answer, 404, "nobody")
    assert answer.json["code"] == "client_not_found"


async def test_a_job_of_no_client_is_refused(served: Served) -> None:
    await refused(served, await served.ask("POST", "/jobs", {"prompt": "x", "branchName": "y"}), 400, "clientId")


async def test_a_job_whose_client_and_repository_differ_is_refused(served: Served) -> None:
    client = await served.new_client()
    answer = await served.ask("POST", "/jobs", {**NEW_JOB, "clientId": client["id"], "githubRepo": "another"})
    await refused(served, answer, 400, "clientId")


@pytest.mark.parametrize("name", ["-not-an-option", "--help", "/clear", "`x` @everyone"])
async def test_odd_prompts_and_titles_are_plain_text(served: Served, name: str) -> None:
    job = await served.new_job(prompt=name, title=name)
    await served.core.jobs.wait(job["id"])
    assert served.agent.tasks[0].prompt == name
    assert served.prs.orders[0].title == name


# ------------------------------------------------------------------------------------ clients
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"githubOrg": "a/b"}, "githubOrg"),
        ({"githubRepo": "x.git"}, "githubRepo"),
        ({"defaultBranch": "a b"}, "defaultBranch"),
        ({"osClientId": 5}, "osClientId"),
        ({"id": "mine"}, "id"),
    ],
)
async def test_a_client_with_a_bad_field_is_refused_by_its_name(served: Served, change: Any, field: str) -> None:
    await refused(served, await served.ask("POST", "/clients", {**NEW_CLIENT, **change}), 400, field)
    assert served.db.clients == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"githubOrg": "x"}, "githubOrg"),
        ({"defaultBranch": "a..b"}, "defaultBranch"),
        ({"name": None}, "name"),
        ({"osClientId": None}, "osClientId"),
        ({"name": 5}, "name"),
    ],
)
async def test_a_bad_change_of_a_client_is_refused_and_changes_nothing(served: Served, change: Any, field: str) -> None:
    client = await served.new_client()
    before = await served.get(f"/clients/{client['id']}")
    answer = await served.ask("PATCH", f"/clients/{client['id']}", {"name": "New", **change})
    await refused(served, answer, 400, field)
    assert await served.get(f"/clients/{client['id']}") == before


@pytest.mark.parametrize(
    "twin",
    [
        {"githubOrg": ORG.upper(), "githubRepo": REPO.upper()},
        {"githubRepo": "other", "osClientId": "os-1"},
    ],
)
async def test_a_twin_of_a_client_is_refused_with_the_id_of_the_first(served: Served, twin: dict[str, str]) -> None:
    first = await served.new_client(osClientId="os-1")
    served.repos.origin(ORG, "other")
    answer = await served.ask("POST", "/clients", {**NEW_CLIENT, **twin})
    await refused(served, answer, 409, first["id"])
    assert (answer.json["existingId"], answer.json["code"]) == (first["id"], "client_exists")


async def test_a_client_whose_repository_cannot_be_cloned_is_not_stored(served: Served) -> None:
    served.repos.fail_next("refresh", RepoStoreError("fatal: Could not read from remote", code="clone_failed"))
    answer = await served.ask("POST", "/clients", NEW_CLIENT)
    await refused(served, answer, 502, "fatal: Could not read from remote")
    assert answer.json["code"] == "clone_failed"
    assert served.db.clients == {}


async def test_a_client_with_active_jobs_is_not_deleted(served: Served) -> None:
    served.agent.hold()
    job = await served.new_job()
    answer = await served.ask("DELETE", f"/clients/{job['clientId']}")
    assert (answer.status, answer.json["code"]) == (409, "client_busy")


async def test_a_client_with_history_only_is_deleted_with_it(served: Served) -> None:
    job = await served.finished_job()
    assert (await served.ask("DELETE", f"/clients/{job['clientId']}")).status == 200
    assert (await served.ask("GET", f"/jobs/{job['id']}")).status == 404


# ------------------------------------------------------------------------------------ queries, paths, methods
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        *[
            (f"limit={text}", "limit")
            for text in ("abc", "-1", "0", "1_0", "10" * 10, "201", "", "5.0", "%2B5", "%D9%A3")
        ],
        *[(f"limit={'9' * 5000}", "limit")],
        *[(f"offset={text}", "offset") for text in ("-1", str(2**63), "x", "")],
        *[(f"status={text}", "status") for text in ("foo", "", "queued,", "QUEUED", "queued;running", "%00")],
        ("limit=1&limit=2", "limit"),
        ("page=1", "page"),
        ("clientid=abc", "clientid"),
    ],
)
async def test_a_bad_query_is_refused_by_its_name(served: Served, query: str, parameter: str) -> None:
    await refused(served, await served.ask("GET", f"/jobs?{query}"), 400, parameter)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health?x=1"),
        ("GET", "/queue?x=1"),
        ("GET", "/clients?x=1"),
        ("POST", "/sync?x=1"),
        ("POST", "/jobs?x=1"),
    ],
)
async def test_unknown_parameters_are_refused_everywhere(served: Served, method: str, path: str) -> None:
    await refused(served, await served.ask(method, path), 400, "x: ")


@pytest.mark.parametrize("text", ["1", "True", "yes", ""])
async def test_a_flag_is_true_or_false(served: Served, text: str) -> None:
    await refused(served, await served.ask("GET", f"/jobs/x?includeMessages={text}"), 400, "includeMessages")
    await refused(served, await served.ask("DELETE", f"/clients/x?removeRepo={text}"), 400, "removeRepo")


@pytest.mark.parametrize("strange", ["nobody", "..%2f..", "%00", "x" * 5000, "%ff", "%ED%A0%80", "..", "a%20b", "'"])
async def test_an_unknown_id_is_not_found(served: Served, strange: str) -> None:
    for path in (f"/jobs/{strange}", f"/clients/{strange}"):
        await refused(served, await served.ask("GET", path), 404)
    await refused(served, await served.ask("POST", f"/jobs/{strange}/cancel"), 404)
    await refused(served, await served.ask("POST", f"/jobs/{strange}/retry"), 404)


@pytest.mark.parametrize("path", ["/", "/job", "/jobs/", "/jobs/x/y", "/clients/x/jobs", "/favicon.ico"])
async def test_an_unknown_path_is_not_found(served: Served, path: str) -> None:
    await refused(served, await served.ask("GET", path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", "GET,HEAD,OPTIONS,POST"),
        ("DELETE", "/jobs/x", "GET,HEAD,OPTIONS"),
        ("GET", "/sync", "OPTIONS,POST"),
        ("POST", "/health", "GET,HEAD,OPTIONS"),
        ("PATCH", "/health", "GET,HEAD,OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(served: Served, method: str, path: str, allowed: str) -> None:
    answer = await served.ask(method, path)
    await refused(served, answer, 405, method)
    assert answer.headers["Allow"] == allowed


# ------------------------------------------------------------------------------------ states
async def test_a_retry_of_an_unfinished_job_is_refused(served: Served) -> None:
    served.agent.hold()
    job = await served.new_job()
    answer = await served.ask("POST", f"/jobs/{job['id']}/retry")
    assert (answer.status, answer.json["code"]) == (400, "job_not_finished")


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async with serving(config=CoreConfig(max_queued=1)) as served:
        served.agent.hold()
        answers = [await served.ask("POST", "/jobs", {**NEW_JOB, "branchName": f"b{n}"}) for n in range(8)]
        full = next(answer for answer in answers if answer.status != 201)
        assert (full.status, full.json["code"]) == (429, "queue_full")
        assert int(full.headers["Retry-After"]) > 0
        served.agent.release()
        await served.core.hurry()


async def test_a_disk_without_room_refuses_and_says_when_to_come_back() -> None:
    async with serving(free_disk=lambda: 1000) as served:
        answer = await served.ask("POST", "/jobs", NEW_JOB)
        await refused(served, answer, 503)
        assert answer.json["code"] == "low_disk"
        assert int(answer.headers["Retry-After"]) > 0
        assert (await served.get("/health"))["status"] == "degraded"


async def test_a_fault_of_ours_tells_nothing_but_the_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.db.failure = ZeroDivisionError("the plans of the building")
    answer = await served.ask("GET", "/jobs")
    assert answer.status == 500
    assert answer.json == {"error": "The server failed: its log says why", "code": "internal"}
    assert "the plans of the building" in caplog.text
    served.db.failure = None


async def test_a_store_that_fails_is_told_as_passing_and_without_its_path(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.db.failure = WorldError("The database /home/op/agent.db is locked", code="database_busy", transient=True)
    answer = await served.ask("GET", "/jobs")
    assert (answer.status, answer.json["code"]) == (503, "database_busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert "/home/op" not in answer.json["error"]
    assert "/home/op" in caplog.text
    served.db.failure = None


# ------------------------------------------------------------------------------------ anything at all
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    "clientId",
    "githubOrg",
    "githubRepo",
    "prompt",
    "branchName",
    "title",
    "osFeatureId",
    "osCallbackUrl",
    "name",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), ANY_JSON, max_size=6),
    strange=st.text(max_size=30),
    name=st.sampled_from(["limit", "offset", "status", "clientId"]),
)
async def test_nothing_that_is_sent_makes_the_server_fail(
    served: Served, body: dict[str, Any], strange: str, name: str
) -> None:
    value = quote(strange, safe="", errors="surrogatepass")
    raw = json.dumps(body).encode()
    for method, path in (("POST", "/jobs"), ("POST", "/clients"), ("PATCH", "/clients/x")):
        assert (await served.ask(method, path, data=raw, headers=JSON)).status in (201, 400, 404, 502)
    assert (await served.ask("GET", f"/jobs?{name}={value}")).status in (200, 400)
    if value not in ("", ".", ".."):
        assert (await served.ask("GET", f"/jobs/{value}")).status == 404
